"""Rows about levels, counts and the judge."""

import json
import os
import re
import select

from harness import wait_for
from lab import ROOT, fast, local_rows, must, refused, row

LEVELS = ("eventual", "sequential", "linearizable")


def silent(*connections):
    """None of them has got anything."""
    return not select.select([one.sock for one in connections], [], [], 0)[0]


@row(1, "Linearizable level", "S1 S3 (task of S0)",
     "`kvorum run scenarios/three-writers-linearizable.json`; "
     "`kvorum run scenarios/mutual-reads.json`; `kvorum sim --seeds 1..8`",
     "`yes  linearizable holds`; of 20 plays none in which both readers see the first value; "
     "8 seeds with faults, and no violation (`--seeds 1..1000` for longer)")
def linearizable(lab):
    played = lab.play("three-writers-linearizable.json").says("linearizable holds")
    lab.judge("linearizable", os.path.join(played.folder, "history.jsonl"))
    both = lab.play("mutual-reads.json")
    both.says("never client 0 read b = 0 and client 1 read a = 0")
    must("20 of 20 plays as expected" in both.text, both.text)
    done = lab.run("sim", "--seeds", "1..8", "--out", lab.path("sim"))
    return done.stdout.splitlines()[-1]


@row(2, "Sequential level: local reads, ordered writes", "S0 S3",
     "`kvorum run scenarios/two-writers-two-readers.json`; "
     "`kvorum run scenarios/sequential-not-linearizable.json`",
     "`yes  sequential holds` in 20 of 20 plays; with a node held back also "
     "`yes  linearizable is violated`, and which read was stale")
def sequential(lab):
    played = lab.play("two-writers-two-readers.json").says("sequential holds")
    must("20 of 20 plays as expected" in played.text, played.text)
    weaker = lab.play("sequential-not-linearizable.json")
    weaker.says("sequential holds", "linearizable is violated")
    history = os.path.join(weaker.folder, "history.jsonl")
    lab.judge("sequential", history)
    explained = lab.judge("linearizable", history, 1)
    must(re.search(r"client 1 get x = 1 .* although client 0 put x = 2", explained), explained)


@row(3, "Eventual level, the last writer wins", "S1 S2 S3 S4",
     "`kvorum run scenarios/four-writers.json`; "
     "`kvorum run scenarios/stale-read-under-partition.json`",
     "`yes  convergence holds`, and the same value and version on all four; a stale read before")
def eventual(lab):
    played = lab.play("four-writers.json").says("convergence holds")
    last = [line["value"] for line in played.history() if line.get("final")]
    must(len(last) == 4 and len(set(last)) == 1, last)
    lab.play("stale-read-under-partition.json").says("once: client 1 read x = old")


@row(4, "Causal level, and a test that tells it from sequential", "task of S0 S3, wish of S3",
     "`kvorum run scenarios/causal-not-sequential.json`",
     "`yes  causal holds` and `yes  sequential is violated` of two writes that two readers see "
     "in opposite orders",
     missing="the judge tells causal from sequential, but no keyspace promises causal yet: a "
             "leaderless one refuses the level, an ordered one serves the stronger sequential")
def causal(lab):
    played = lab.play("causal-not-sequential.json")
    played.says("causal holds", "sequential is violated")
    history = os.path.join(played.folder, "history.jsonl")
    lab.judge("causal", history)
    lab.judge("sequential", history, 1)
    message_passing = os.path.join(ROOT, "tests", "histories", "message-passing.jsonl")
    lab.judge("causal", message_passing, 1)  # a reply is seen without its post
    cluster = lab.cluster()
    with fast(cluster, 1) as connection:
        refused("LEVEL", connection.ask, "KV.AT", "causal", "GET", "k")


@row(5, "A level per request", "task of S0, S4 of 2015",
     "`printf 'put x 1 linearizable\\nget x eventual\\n' \\| kvorum cli`; "
     "`kvorum cli --rules 2015` with levels 1 to 4; "
     "`kvorum check --model levels` of a run with mixed levels",
     "the values; `KV.RECEIPT` names the level of each number; `ok`")
def per_request(lab):
    cluster = lab.cluster()
    code, out, err = lab.cli(cluster, 2, "put x 1 linearizable\nget x sequential\n"
                                         "get x eventual\nget x linearizable\n")
    must((code, out[0], out[-1]) == (0, "OK", '"1"'), (out, err))
    for number, name, keyspace in ((1, "linearizable", "main"), (2, "sequential", "main"),
                                   (3, "one", "fast"), (4, "w=2,r=2", "fast")):
        script = f"SELECT {keyspace}\nput k v {number}\nget k {number}\nKV.RECEIPT\n"
        out = lab.cli(cluster, 1, script, "--rules", "2015")[1]
        must(re.search(rf'"asked"\n *\d+\) "{name}"', "\n".join(out)), out)
    mixed = lab.play("sequential-not-linearizable.json")
    must(len({line.get("level") for line in mixed.history() if not line.get("final")}) == 2,
         "one level only")
    lab.judge("levels", os.path.join(mixed.folder, "history.jsonl"))


@row(6, "W and R on the command line", "S1",
     "`kvorum cluster start --level eventual -W 2 -R 2`, then one node of three is left; "
     "`kvorum run scenarios/quorum-intersection.json`",
     "W = 2 is refused with `NOQUORUM`, W = 1 answers; no read at W + R > N is stale; two "
     "writes whose acknowledgements are held are both unanswered until the release")
def counts(lab):
    acks_are_a_requests_own(lab)
    cluster = lab.cluster(3, "--level", "eventual", "-W", "2", "-R", "2")
    with cluster.connect(1) as connection:
        must(connection.ask("SET", "x", "1") == "OK", "two of three are enough")
        for node in (2, 3):
            cluster.kill(node)
        why = wait_for(lambda: refused("NOQUORUM", connection.ask, "SET", "x", "2"), "a refusal")
        connection.ask("SELECT", "fast")
        must(connection.ask("KV.AT", "w=1", "SET", "x", "1") == "OK", "one is enough")
    played = lab.play("quorum-intersection.json")
    played.says("never client 1 read x = old", "never client 2 read x = old")
    return why


def acks_are_a_requests_own(lab):
    cluster = lab.cluster()
    for node in (2, 3):
        cluster.ask(1, "KV.FAULT", "hold", node, 1, "oneway")
    with fast(cluster, 1) as one, fast(cluster, 1) as two, fast(cluster, 2) as other:
        one.send("KV.AT", "w=2", "SET", "x", "a")
        wait_for(lambda: local_rows(other) == {"x": "a"}, "the first at node 2")
        two.send("KV.AT", "w=2", "SET", "x", "b")
        wait_for(lambda: local_rows(other) == {"x": "b"}, "the second at node 2")
        must(silent(one, two), "a write was answered without its acknowledgement")
        cluster.ask(1, "KV.FAULT", "reset")
        must((one.read(), two.read()) == ("OK", "OK"), "both are answered after the release")


@row(7, "Levels ONE and ALL, also 1 and 9", "S4",
     "`KV.FAULT hold 1 3`; `KV.AT one GET k`; `KV.AT all GET k`",
     "the first is answered at once; the second not before the link is released")
def one_and_all(lab):
    cluster = lab.cluster()
    with fast(cluster, 1) as connection, fast(cluster, 1) as waiting:
        for all_word, one_word in (("all", "one"), ("9", "1")):
            must(connection.ask("KV.AT", all_word, "SET", "k", "v") == "OK", "a write at all")
            cluster.ask(1, "KV.FAULT", "hold", 1, 3)
            waiting.send("KV.AT", all_word, "GET", "k")
            must(connection.ask("KV.AT", one_word, "GET", "k") == "v", "a read at one")
            must(silent(waiting), "a read at all did not wait for node 3")
            cluster.ask(1, "KV.FAULT", "release", 1, 3)
            must(waiting.read() == "v", "a read at all")


# By hand, each of its own run. The first holds the same in program order and in real time; in the
# second the one client has a get and a put open at once, and the get returns what the put, which
# began later, wrote; in the third a get returns what was not asked for until it had ended.
GOOD = """7,0,put,x,100,req,1
7,0,put,x,104,resp,1
7,1,get,x,105,req,
7,1,get,x,109,resp,1
7,1,put,x,110,req,2
7,1,put,x,115,resp,2
7,0,get,x,120,req,
7,0,get,x,123,resp,2
"""
OVERLAP = """8,0,get,x,100,req,
8,0,put,x,102,req,5
8,0,put,x,106,resp,5
8,0,get,x,110,resp,5
"""
EARLY = """9,0,get,x,100,req,
9,0,get,x,104,resp,2
9,1,put,x,900,req,2
9,1,put,x,905,resp,2
"""


@row(26, "Test of program order, of every client", "S0",
     "`kvorum check --model program-order LOG`", "`ok`; with two lines exchanged `violation`, and "
     "which client at which line")
def program_order(lab):
    line = '{{"client":{},"op":"put","key":"k","value":"{}","ok":true,"start_ns":{},"end_ns":{}}}\n'
    lines = [line.format(client, 10 * i + client, 100 * i + client, 100 * i + 50)
             for i in range(5) for client in (0, 1)]
    lab.judge("program-order", lab.write("log.jsonl", "".join(lines)))
    lines[5], lines[7] = lines[7], lines[5]
    swapped = lab.judge("program-order", lab.write("swapped.jsonl", "".join(lines)), 1)
    must("client 1" in swapped and re.search(r"line (6|8)\b", swapped), swapped)
    return swapped.splitlines()[1].strip()


@row(29, "Judge of histories: linearizable, sequential, causal, eventual", "all",
     "`kvorum check --model MODEL --initial x=0 LOG`, of logs in the form `session,client,op,key,"
     "ms,req\\|resp,value`",
     "a good log: `ok` at each level; a client that overlaps itself: linearizable `ok`, sequential "
     "`violation`; a read before its write: linearizable `violation`, sequential `ok`; "
     "replicas that end with different values: convergence `violation`")
def judge(lab):
    for name, log, verdicts in (
            ("good", GOOD, {"linearizable": 0, "sequential": 0, "causal": 0}),
            ("overlap", OVERLAP, {"linearizable": 0, "sequential": 1}),
            ("early", EARLY, {"linearizable": 1, "sequential": 0})):
        path = lab.write(name + ".csv", log)
        for model, code in verdicts.items():
            lab.judge(model, path, code, "--initial", "x=0")
    for value, code in (("1", 0), ("2", 1)):  # at the other replica, once all is quiet
        lines = [{"client": 0, "op": "put", "key": "x", "value": "1", "start_ns": 0},
                 {"client": 0, "op": "put", "key": "x", "value": "2", "start_ns": 20},
                 *({"client": client, "op": "get", "key": "x", "value": got, "start_ns": 40,
                    "final": True} for client, got in ((1, "1"), (2, value)))]
        text = "".join(json.dumps({"ok": True, "end_ns": line["start_ns"] + 9, **line}) + "\n"
                       for line in lines)
        lab.judge("convergence", lab.write(f"final{value}.jsonl", text), code)
    history = os.path.join(ROOT, "tests", "histories", "causal-not-sequential.jsonl")
    lab.judge("causal", history)
    lab.judge("sequential", history, 1)


@row(33, "The levels compared by performance", "S3, task of S0",
     "`kvorum run --compare scenarios/three-writers-eventual.json`",
     "a table with a row per level: mean, p50, p99, messages and syncs of an operation; "
     "`--delay` puts a delay on each link, and the table says so")
def compare(lab):
    folder = lab.path("comparison")
    done = lab.run("run", "--compare", os.path.join(ROOT, "scenarios",
                                                    "three-writers-eventual.json"),
                   "--out", folder)
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(LEVELS)]
    must(tuple(words[0] for words in rows) == LEVELS, done.stdout)
    must(all(len(words) == 7 for words in rows), done.stdout)
    must(os.path.exists(os.path.join(folder, "comparison.html")), "no page")
    return "p50 " + ", ".join(f"{words[0]} {words[3]} ms" for words in rows)


@row(39, "Continuous consistency: bounded staleness", "wish of S3",
     "`KV.RECEIPT KV.AT bounded:200ms GET k`; `KV.RECEIPT KV.AT bounded:0ms GET k`",
     "asked `bounded:200ms`, met `linearizable`: any bound is kept, 0 too; a leaderless keyspace "
     "refuses the level. Bounds on the difference of values are not there")
def bounded(lab):
    cluster = lab.cluster()
    cluster.ask(1, "SET", "k", "v")
    for bound in ("200ms", "0ms"):
        value, receipt = cluster.ask(2, "KV.RECEIPT", "KV.AT", f"bounded:{bound}", "GET", "k")
        told = dict(zip(receipt[::2], receipt[1::2], strict=True))
        must((value, told["asked"], told["met"]) == ("v", f"bounded:{bound}", "linearizable"), told)
    get = {"type": "get", "key": "k", "level": "bounded:200ms"}
    load = [{"requests": [{"type": "put", "key": "k", "value": i}, get]} for i in range(3)]
    lab.play({"clients": load, "expect": {"model": "bounded:200ms"}})
    with fast(cluster, 1) as connection:
        refused("LEVEL", connection.ask, "KV.AT", "bounded:200ms", "GET", "k")
