"""Rows about replicas: placement, repair, conflicts, order, crashes, links."""

import hashlib
import itertools
import os
import re

from harness import free_base_port, wait_for
from lab import fast, local_rows, must, row


def orders(played, nodes):
    texts = [played.read(f"order_{node}.txt") for node in range(1, nodes + 1)]
    return {hashlib.sha256(text.encode()).hexdigest() for text in texts}, texts[0].splitlines()


def status_words(cluster, node, name):
    """The numbers that KV.STATUS gives after `name:`."""
    return [int(number) for number in re.findall(rf"\b{name}:(\d+)",
                                                 cluster.ask(node, "KV.STATUS"))]


@row(11, "Placement: R of N servers hold a key", "S4",
     "`kvorum cluster start --nodes 4 --level eventual -N 3`; 12 keys; `KV.WHERE`; `KV.DUMP`",
     "exactly the three nodes that `KV.WHERE` names hold a key; the keys 0 to 11 lie on all four")
def placement(lab):
    cluster = lab.cluster(4, "--level", "eventual", "-N", "3")
    with cluster.connect(1) as connection:
        where = {}
        for key in map(str, range(12)):
            must(connection.ask("KV.AT", "all", "SET", key, "v") == "OK", key)
            words = connection.ask("KV.WHERE", key)
            where[key] = set(words[words.index("nodes") + 1])
    held = {}
    for node in range(1, 5):
        with cluster.connect(node) as connection:
            held[node] = set(local_rows(connection))
    for key, nodes in where.items():
        holders = {node for node in held if key in held[node]}
        must(len(nodes) == 3 and holders == nodes, f"{key}: {holders}, said {nodes}")
    sizes = [len(keys) for keys in held.values()]
    must(min(sizes) > 0 and max(sizes) < 12, sizes)
    return f"keys per node: {sizes}"


@row(12, "Read repair, in the background, at all levels", "S4 S1",
     "`KV.FAULT hold 1 3`; a write at node 1; `KV.AT one GET k` at node 2; "
     "`kvorum run scenarios/read-repair.json`",
     "node 3 has the new value though its link to the writer is held; `read-repairs` of "
     "`KV.STATUS` counts it")
def read_repair(lab):
    cluster = lab.cluster()
    keys = (f"k{i}" for i in itertools.count())
    with fast(cluster, 1) as one, fast(cluster, 2) as two, fast(cluster, 3) as three:
        cluster.ask(1, "KV.FAULT", "hold", 1, 3)

        def repaired_by_a_read():
            key = next(keys)
            must(one.ask("KV.AT", "w=2", "SET", key, "new") == "OK", "two of three")
            must(two.ask("KV.AT", "all", "GET", key) == "new", "the newest of all")
            must(local_rows(three)[key] == "new", "node 3 was not repaired")
            return status_words(cluster, 2, "read-repairs")[0] > 0
        # Again if the comparison of replicas, which goes on beside it, was quicker.
        wait_for(repaired_by_a_read, "a repair by a read")
        must(one.ask("KV.AT", "w=2", "SET", "k", "newer") == "OK", "two of three")
        must(two.ask("KV.AT", "one", "GET", "k") == "newer", "node 2's own copy")
        wait_for(lambda: local_rows(three).get("k") == "newer", "the repair behind a read at one")
    lab.play("read-repair.json").says("never client 1 read x = old", "in the end x = new")


@row(13, "Periodic comparison of replicas", "wish of S2, S4 of 2015",
     "`kvorum cluster kill 3 --hard`; 100 writes; `kvorum cluster restart 3`; `KV.DIGEST`",
     "the same on all three, without a read")
def anti_entropy(lab):
    cluster = lab.cluster()
    cluster.kill(3)
    with fast(cluster, 1) as one:
        for i in range(100):
            must(one.ask("KV.AT", "w=2", "SET", f"k{i}", i) == "OK", "a write")
    cluster.restart(3)

    def digests():
        found = set()
        for node in (1, 2, 3):
            with fast(cluster, node) as connection:
                found.add(str(connection.ask("KV.DIGEST")))
        return found
    wait_for(lambda: len(digests()) == 1, "equal digests")
    with fast(cluster, 3) as three:
        must(len(local_rows(three)) == 100, "all rows are at node 3")


@row(14, "Tombstones: a deleted key stays deleted", "S4, gap of S2",
     "`kvorum run scenarios/deleted-key-stays-deleted.json`",
     "`yes  once: client 1 read k = v` at the node that was cut off, and `yes  in the end "
     "k = absent`")
def tombstones(lab):
    played = lab.play("deleted-key-stays-deleted.json")
    played.says("once: client 1 read k = v", "in the end k = absent")


@row(15, "Version vectors: a conflict is found, and settled alike everywhere", "S2",
     "`kvorum run scenarios/vector-clock-conflict.json`; `KV.FAULT cut 1 *`, a write on each side, "
     "`KV.FAULT heal`; `KV.CONFLICTS`",
     "all four hold the same; the loser is listed; two writes one after the other are no conflict "
     "and the second stays")
def conflicts(lab):
    played = lab.play("vector-clock-conflict.json")
    played.says("in the end fruit = banana", "in the end k = a")
    cluster = lab.cluster(4, "--level", "eventual", "-N", "4")
    with cluster.connect(1) as one, cluster.connect(2) as two:
        cluster.ask(2, "KV.FAULT", "cut", 1, "*")
        must((one.ask("SET", "k", "b"), two.ask("SET", "k", "a")) == ("OK", "OK"), "both go on")
        one.ask("SET", "fruit", "apple")
        one.ask("SET", "fruit", "banana")
        cluster.ask(2, "KV.FAULT", "heal")

    def held():
        rows = []
        for node in range(1, 5):
            with cluster.connect(node) as connection:
                rows.append(local_rows(connection))
        return rows
    rows = wait_for(lambda: (lambda all_rows: all_rows if all(
        row == all_rows[0] and len(row) == 2 for row in all_rows) else None)(held()), "agreement")
    must(rows[0]["fruit"] == "banana", rows[0])
    lost = [str(cluster.ask(node, "KV.CONFLICTS")) for node in range(1, 5)]
    must(any("'k'" in text for text in lost), lost)
    must(not any("fruit" in text for text in lost), lost)
    return f"k = {rows[0]['k']} on all four"


@row(16, "Links that can be held, released, cut, delayed and lossy; seeds", "wish of S2",
     "`KV.FAULT` with `hold`, `release`, `delay`, `drop`, `cut`, `heal`; "
     "`kvorum sim --seed 7 --trace`, twice",
     "`KV.FAULT status` lists the rules and what they met; the two traces are the same")
def links(lab):
    cluster = lab.cluster()
    rules = ("hold 1 2", "delay 1 3 10ms jitter 5ms seed 4", "drop 1 3 20% seed 4", "cut 2 3")
    for rule in rules:
        must(cluster.ask(1, "KV.FAULT", *rule.split()) == "OK", rule)
    told = "\n".join(line for node in (1, 2, 3) for line in cluster.ask(node, "KV.FAULT", "status"))
    must(all(rule in told for rule in rules), told)
    must(cluster.ask(1, "KV.FAULT", "release", 1, 2) == "OK", "release")
    must(cluster.ask(1, "KV.FAULT", "reset") == "OK", "reset")
    must(not any(cluster.ask(node, "KV.FAULT", "status") for node in (1, 2, 3)), "rules are left")
    words = ("sim", "--seed", "7", "--set", "operations=50", "--trace", "--out", lab.path("sim"))
    one, two = (lab.run(*words).stdout for _ in range(2))
    must(one == two, "the traces differ")
    return f"{len(one.splitlines())} lines, twice the same"


@row(17, "One order of all writes, with a rule for ties", "S3",
     "`kvorum run scenarios/three-writers-sequential.json`; "
     "`kvorum run scenarios/three-writers-eventual.json`",
     "equal `order_N.txt`; all replicas end with the same `a`. The order is a leader's log where "
     "S3 had Lamport clocks; without a leader, the stamp's node settles a tie")
def ties(lab):
    hashes, lines = orders(lab.play("three-writers-sequential.json"), 3)
    must(len(hashes) == 1 and len(lines) >= 3, lines)
    played = lab.play("three-writers-eventual.json").says("convergence holds")
    last = {line["value"] for line in played.history() if line.get("final") and line["key"] == "a"}
    must(len(last) == 1, last)


@row(18, "Total order, the same in each replica's delivery log", "S1, a sibling of S0",
     "`kvorum run` of 15 mixed requests on three nodes; `sha256sum order_*.txt`", "one sum")
def delivery_logs(lab):
    played = lab.play({"level": "sequential", "until_quiet": True, "workload": {
        "clients": 3, "operations": 5, "keys": "a-c", "read_percent": 30, "delete_percent": 20}})
    hashes, lines = orders(played, 3)
    puts = sum(line["op"] == "put" for line in played.history())
    must(len(hashes) == 1 and len(lines) >= puts, lines)
    return next(iter(hashes))[:16]


@row(19, "Death of one replica, the leader too", "S1, gap of S3",
     "`kvorum run scenarios/leader-killed.json`; `kvorum run scenarios/no-split-brain.json`",
     "writes go on, `yes  linearizable holds`; a minority refuses and never answers an old value")
def crash(lab):
    played = lab.play("leader-killed.json").says("linearizable holds")
    must(" kill node " in played.read("log.txt"), "nobody was killed")
    lab.play("no-split-brain.json").says("never client 0 read x = before")


@row(21, "Restart, catching up, and what was acknowledged stays", "wish of S2, siblings",
     "`kvorum cluster kill --hard` of all nodes amid writes; `kvorum cluster restart`; `GET`",
     "the newest acknowledged values")
def restart(lab):
    cluster = lab.cluster()
    done = {}
    with cluster.connect(1) as connection:
        for i in range(60):
            key = f"k{i % 20}"
            must(connection.ask("SET", key, i) == "OK", "a write")
            done[key] = str(i)
            if i == 40:
                cluster.kill(3)
        for node in (2, 1):
            cluster.kill(node)
    for node in (1, 2, 3):
        cluster.restart(node)
    for node in (1, 2, 3):
        for key, value in done.items():
            got = wait_for(lambda n=node, k=key: cluster.ask(n, "GET", k), "a read")
            must(got == value, f"node {node}: {key} = {got}, not {value}")


@row(37, "Lossy links: repeats and duplicates", "gap of S1",
     "`kvorum run` of a load with `drop 20%` on each link and messages that overtake; "
     "`kvorum sim` with `loss_ppm`, `duplicate_ppm`, `reorder_ppm`",
     "`yes  linearizable holds`, and the requests get through; no violation")
def lossy(lab):
    faults = [f"drop {a} {b} 20%" for a, b in ((1, 2), (1, 3), (2, 3))]
    requests = [{"type": "fault", "do": do} for do in faults]
    for i in range(10):
        requests += [{"type": "put", "key": "x", "value": i}, {"type": "get", "key": "x"}]
    played = lab.play({"clients": [{"requests": requests}], "fifo": False,
                       "delays": [{"ms": [0, 3]}], "workload": {"clients": 2, "operations": 20,
                                                                "keys": ["x", "y"]}})
    played.says("linearizable holds")
    history = played.history()
    done = sum(line["ok"] is True for line in history)
    must(len(history) == 60 and done >= 30, f"only {done} of 60 requests were done")
    rates = [word for name in ("loss_ppm=200000", "duplicate_ppm=100000", "reorder_ppm=100000")
             for word in ("--set", name)]
    lab.run("sim", "--seeds", "1..3", "--set", "operations=100", *rates, "--out", lab.path("sim"))
    return f"{done} of 60 requests done"


@row(38, "Elected leader; remote-write and local-write of a primary", "wish of S3",
     "`kvorum cluster kill LEADER --hard`; `KV.STATUS`; `SET` at a node that does not lead; "
     "`KV.LEAD` there; `kvorum run scenarios/two-writers-two-readers.json --mode local-write`",
     "another `leader:`, in a higher `term:`; the write is forwarded to it; after `KV.LEAD` that "
     "node is the leader; `yes  sequential holds` in 20 of 20 plays")
def leader(lab):
    cluster = lab.cluster()
    old = cluster.leader()
    rest = [node for node in (1, 2, 3) if node != old]
    term = int(cluster.status(rest[0])["term"])
    cluster.kill(old)
    new = cluster.leader(rest)
    must(int(cluster.status(new)["term"]) > term and new != old, "no new leader")
    other = next(node for node in rest if node != new)
    wait_for(lambda: cluster.ask(other, "SET", "k", "v") == "OK", "a forwarded write")
    told = cluster.status(other)["leader"]
    must(told == str(new), f"node {other} names {told}")
    must(cluster.ask(other, "KV.LEAD") == "OK", "KV.LEAD")
    wait_for(lambda: cluster.status(other)["leader"] == str(other), "the writer to lead")
    played = lab.play("two-writers-two-readers.json", "--mode", "local-write")
    must("20 of 20 plays as expected" in played.text, played.text)
    return f"leader {old}, then {new}, then {other}"


@row(40, "Local reads without locks; heartbeats for membership", "wish of S3",
     "`kvorum cluster kill 3 --hard`; `KV.STATUS`; `kvorum cluster restart 3`",
     "`peer:3 link:down`, then `link:up`; sequential reads are served by the node asked meanwhile",
     missing="a process serves on one core, so readers gain by more nodes and not by more cores")
def heartbeats(lab):
    cluster = lab.cluster()
    cluster.ask(1, "SET", "k", "v")
    cluster.kill(3)
    wait_for(lambda: "peer:3 link:down" in cluster.ask(1, "KV.STATUS"), "node 3 to be missed")
    wait_for(lambda: cluster.ask(2, "KV.AT", "sequential", "GET", "k") == "v", "a local read")
    cluster.restart(3)
    wait_for(lambda: "peer:3 link:up" in cluster.ask(1, "KV.STATUS"), "node 3 to be seen")


@row(22, "Configuration: least and most delay, then `id ip port` lines", "S1",
     "`kvorum run FILE --links config --unit ms`, or `s`",
     "the ports of the file are used, and no answer at linearizable comes before a round trip of "
     "the least delay")
def server_list(lab):
    base = free_base_port(4)
    text = "20 40\n" + "".join(f"{i + 1} 127.0.0.1 {base + i}\n" for i in range(4))
    played = lab.play("three-writers-linearizable.json", "--links", lab.write("config", text),
                      "--unit", "ms")
    took = [line["end_ns"] - line["start_ns"] for line in played.history()
            if not line.get("final")]
    must(min(took) >= 40_000_000, took)
    config = played.read(os.path.join("cluster", "cluster.toml"))
    must(all(f"resp_port = {base + i}\n" in config for i in range(4)), config)
    return f"least {min(took) / 1e6:.0f} ms"


@row(23, "Configuration: addresses and an N x N matrix of mean delays", "S4",
     "`kvorum run FILE --links matrix.json`",
     "played with each delay drawn evenly from 0 to twice its mean, in order unless "
     "`\"fifo\": false`; the draws themselves are tested in `src/net/fault_test.cc`. A node's "
     "messages to itself take no time")
def matrix(lab):
    base = free_base_port(3)
    links_file = lab.write("matrix.json", {
        "addresses": [f"127.0.0.1:{base + i}" for i in range(3)],
        "delays": [[0, 5, 10], [5, 0, 2.5], [10, 2.5, 0]]})
    played = lab.play("three-writers-sequential.json", "--links", links_file)
    played.says("sequential holds")
    must(f"resp_port = {base + 2}\n" in played.read(os.path.join("cluster", "cluster.toml")),
         "other ports")

