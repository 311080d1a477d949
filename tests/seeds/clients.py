"""Rows about what people and programs type, write and look at."""

import asyncio
import json
import os
import random
import re
import resource
import socket
import time

from harness import encode, wait_for
from lab import fast, local_rows, must, row
from run_test import THREE, older, servers_of
from shell_test import Shell

CONNECTIONS = 1000
OLD_LINE = re.compile(r"\d+,(?P<client>\d+),(?P<op>get|put),\w+,(?P<ms>\d+),(?P<side>req|resp),"
                      r"[^,\s]*")


@row(9, "Shell: put, get, delay, dump, exit; from a file too", "S1 S4",
     "`printf 'put x 1\\ndelay 400\\nget x\\ndump\\nexit\\n' \\| kvorum cli`, or `--file`",
     "the values, 400 ms later; the pairs of the node; a wrong word gets a usage line, and the "
     "shell goes on; lines typed during a delay run after it")
def shell(lab):
    cluster = lab.cluster()
    began = time.monotonic()
    code, out, err = lab.cli(cluster, 1, "put x 1\nget x\ndelay 400\nput x\nput x 2\nget x\ndump\n"
                                         "exit\nget x\n")
    must(time.monotonic() - began >= 0.4, "the delay was left out")
    must(code == 1 and out[:2] == ["OK", '"1"'] and '"2"' in out[2:], out)
    must(any("usage: put key value" in line for line in err), err)
    must(out.count('"2"') == 1 and any('"x"' in line for line in out), out)
    again = lab.cli(cluster, 1, "", "--file", lab.write("script", "put x 3\nget x\n"))
    must(again == (0, ["OK", '"3"'], []), again)


@row(10, "Shell: insert, update, delete, show-all, search", "S4",
     "`kvorum cli insert k v`, twice; `update none 1`; `show-all`; `search k`",
     "`REFUSED \"k\" exists already; use update`; `... does not exist; use insert`; the pairs; the "
     "nodes that hold the key, with values and versions. The last two repair nothing")
def words(lab):
    cluster = lab.cluster()
    _, out, err = lab.cli(cluster, 1, "insert k 1\ninsert k 2\nupdate none 1\ndelete none\n"
                                      "get none\nupdate k 3\nshow-all\n")
    must(out == ["OK", "(nil)", "OK", '"k" => "3"'], out)
    must("exists already; use update" in err[0] and "use insert" in err[1] + err[2], err)
    holders = wait_for(lambda: (lambda lines: lines if sum('"3"' in line for line in lines) == 3
                                else None)(lab.cli(cluster, 2, "search k\n")[1]), "all holders")
    with fast(cluster, 1) as one, fast(cluster, 3) as three:
        must(one.ask("KV.AT", "all", "SET", "k", "old") == "OK", "all have it")
        for a, b in ((1, 3), (2, 3)):
            cluster.ask(1, "KV.FAULT", "hold", a, b)
        must(one.ask("SET", "k", "new") == "OK", "one is enough")
        lab.cli(cluster, 1, "SELECT fast\nsearch k\n")
        shown = lab.cli(cluster, 3, "SELECT fast\nshow-all\n")[1]
        must('"k" => "old"' in shown and local_rows(three) == {"k": "old"}, shown)
    return f"{len(holders)} lines of holders"


@row(20, "Client moves on to the next id, round the ring, and repeats the command", "S1",
     "`kvorum cli -p 7002`; `kvorum cluster kill 2 --hard`; then in the shell `append k w` and "
     "`get k`",
     "`(node 2 is gone; on node 3 now)` and the answer, with nothing typed again; the value was "
     "appended once")
def fail_over(lab):
    cluster = lab.cluster()
    cluster.ask(1, "SET", "k", "v")
    shell_at_2 = Shell("-p", cluster.port(2), "--data", cluster.data)
    shell_at_2.type("get k")
    must(shell_at_2.answered(1) == '"v"', "the first answer")
    cluster.kill(2)
    shell_at_2.type("append k w")
    shell_at_2.type("get k")
    code, out, err = shell_at_2.end()
    must((code, out) == (0, ['"v"', "(integer) 2", '"vw"']), (code, out, err))
    must(err == ["(node 2 is gone; on node 3 now)"], err)


@row(24, "Scenario files, one process for each server", "S3",
     "`kvorum run FILE`, of six files in the form of 2024, in both spellings",
     "connected, request, reply, slept and finished lines of each client; it ends when the clients "
     "do; the ports are chosen if the file names none")
def old_files(lab):
    for level, writes, spelling in (
            ("linearizability", THREE, ("type", "set", "get")),
            ("sequential", THREE, ("request_type", "write", "read")),
            ("eventual", THREE, ("type", "set", "get")),
            ("linearizability", (("a", 10, "b"), ("b", 20, "a")), ("request_type", "write", "get")),
            ("sequential", (*THREE, ("a", 20, "a")), ("type", "set", "get")),
            ("eventual", tuple(("a", 100 * i, "a") for i in (1, 2, 3, 4)), ("type", "set", "get"))):
        scenario = older(level, writes, spelling)
        for client in scenario["clients"]:  # half a second each, otherwise
            client["requests"][1]["ms"] = [0, 100]
        log = lab.play(scenario).read("log.txt")
        for kind in ("connected", "request", "reply", "slept", "finished"):
            must(len(set(re.findall(rf"client (\d+) +{kind} ", log))) == len(writes), log)


@row(25, "Driver of random load", "wish of S0",
     "`kvorum run` of `\"workload\": {\"clients\": 2, \"operations\": 10, \"keys\": \"a-d\", "
     "\"think_ms\": [0, 5]}`",
     "20 requests by two clients at once; each get has a value that was put, or none; "
     "`latency.txt` has the time of each client")
def load(lab):
    played = lab.play({"workload": {"clients": 2, "operations": 10, "keys": "a-d",
                                    "think_ms": [0, 5]}})
    history = played.history()
    must(len(history) == 20 and {line["client"] for line in history} == {0, 1}, history)
    put = {(line["key"], line["value"]) for line in history if line["op"] == "put"}
    must(all((line["key"], line["value"]) in put or line["value"] is None
             for line in history if line["op"] == "get"), history)
    return played.read("latency.txt").splitlines()[-1].strip()


@row(27, "Log with seven fields, asked at arrival and answered at the answer", "S1",
     "`kvorum run FILE`; `output_log1.txt` and so on",
     "`session,client,op,key,ms,req\\|resp,value` in each line; with 30 ms a message no "
     "linearizable answer before 60 ms; client ids are unique over the servers")
def old_log(lab):
    played = lab.play({"delays": [{"ms": 30}], "clients": [
        {"requests": [{"type": "put", "key": "x", "value": i}, {"type": "get", "key": "x"}]}
        for i in range(4)]})
    asked, least, homes = {}, [], {}
    for node in (1, 2, 3):
        for text in played.read(f"output_log{node}.txt").splitlines():
            match = OLD_LINE.fullmatch(text)
            must(match, text)
            client, ms = match["client"], int(match["ms"])
            homes.setdefault(client, set()).add(node)
            if match["side"] == "req":
                asked[client] = ms
            else:
                least.append(ms - asked[client])
    must(len(least) == 8 and min(least) >= 59, least)  # stamps are whole milliseconds
    must(all(len(nodes) == 1 for nodes in homes.values()), homes)
    return f"least {min(least)} ms"


@row(28, "The visualizer of S1 is fed; a picture of our own", "S1",
     "`kvorum run FILE --feed 127.0.0.1:1234`; `report.html`",
     "`START,session` and then the lines of the logs, a datagram each, no two with the same "
     "millisecond. The page has a row per client; the newest read green, the second newest gold, "
     "older ones red, each with the write that it came from; a read that overlaps a write is not "
     "called old")
def picture(lab):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        door.settimeout(60)
        played = lab.play("three-writers-linearizable.json", "--feed",
                          f"127.0.0.1:{door.getsockname()[1]}")
        logs = [text.split(",") for node in (1, 2, 3)
                for text in played.read(f"output_log{node}.txt").splitlines()]
        got = [door.recv(1 << 16).decode().strip() for _ in range(1 + len(logs))]
    lines = [text.split(",") for text in got[1:]]
    must(got[0] == f"START,{lines[0][0]}", got[0])
    # Stamps are moved where two would be the same, which the visualizer takes for one event.
    must(len({words[4] for words in lines}) == len(lines), "a stamp is there twice")
    must(sorted(words[:4] + words[5:] for words in lines) ==
         sorted(words[:4] + words[5:] for words in logs), "other lines than in the logs")
    stale = lab.play("sequential-not-linearizable.json").read("report.html")
    must(not re.search(r"(src|href)=.https?:", stale), "the page needs something from outside")
    # Of each read, how many newer values had been written before it began.
    ages, older_ages = ([age[1] for age in json.loads(
        page.split('id="data">')[1].split("</script>")[0])["ages"] if age]
        for page in (played.read("report.html"), stale))
    must(set(ages) == {0} and 1 in older_ages, (ages, older_ages))
    return f"{len(lines)} lines"




@row(32, "One command starts four servers, with a log each", "S2 S3",
     "`kvorum cluster start --nodes 4 --base-port 5000 --detach`; `kvorum cluster stop`",
     "four nodes serve, `node1.log` to `node4.log`; all stop")
def four_servers(lab):
    cluster = lab.cluster(4)
    for node in range(1, 5):
        must(cluster.ask(node, "PING") == "PONG", f"node {node}")
        must(os.path.exists(os.path.join(cluster.data, f"node{node}.log")), f"log {node}")
    must(len(servers_of(cluster.data)) == 4, "four processes")
    done = lab.run("cluster", "stop", "--data", cluster.data)
    must(not servers_of(cluster.data), "a process is left")
    return done.stdout.strip()


@row(35, "Any key and any value; first values are optional", "limits of S1 S3",
     "`redis-cli`: `set` and `get` of Unicode, empty and 1 MB values, in both kinds of keyspace",
     "the same bytes; a key that is not there is `(nil)`, or what `initial` of a scenario says; in "
     "a file with `num_servers` that is 0")
def anything(lab):
    cluster = lab.cluster()
    big = random.Random(1).randbytes(1 << 20).decode("latin-1")
    for keyspace in ("main", "fast"):
        with cluster.connect(2) as connection:
            connection.ask("SELECT", keyspace)
            must(connection.ask("GET", "nothing") is None, "a key that is not there")
            for key, value in (("ключ ⚙ 钥匙", "värde\r\n\0 ✓"), ("", "empty key"), ("empty", ""),
                               ("big", big)):
                must(connection.ask("SET", key, value) == "OK", key)
                must(connection.ask("GET", key) == value, f"{keyspace}: {key!r} came back changed")
    scenario = older("sequential", THREE)
    for client in scenario["clients"]:
        client["requests"] = [{"type": "get", "key": "b"}]
    must({line["value"] for line in lab.play(scenario).history()} == {"0"}, "not 0")


async def ask_once(port, number):
    level = ("linearizable", "sequential", "prefix", "eventual")[number % 4]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(encode("SET", f"k{number}", number) +
                     encode("KV.AT", level, "GET", f"k{number}"))
    replies = [await reader.readline() for _ in range(2 * 3)]
    return writer, replies.count(b"+OK\r\n") == 2 and replies.count(b"%d\r\n" % number) == 2


async def ask_all(port):
    asked = [ask_once(port, number) for number in range(CONNECTIONS)]
    answered = await asyncio.gather(*asked)
    for writer, _ in answered:  # all were connected at once
        writer.close()
    return sum(good for _, good in answered)


@row(36, "Many clients at one server, with requests in a row", "limits of S0 S1 S3",
     "1,000 connections to one node, each with two writes and two reads in a row, at four levels",
     "4,000 right answers")
def many_clients(lab):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cluster = lab.cluster()
    cluster.leader()
    good = asyncio.run(ask_all(cluster.port(1)))
    must(good == CONNECTIONS, f"{good} of {CONNECTIONS} were answered as they should be")


@row(41, "send and bcast, with the system's time at both ends", "S4 of 2015",
     "`KV.FAULT delay 1 2 50ms oneway`; `kvorum cli send 2 hi`; `kvorum cli bcast hi`",
     "`node 2: sent ..., arrived ... (50 ms)` or more; the line is in the log of the other node, "
     "in the order of sending")
def texts(lab):
    cluster = lab.cluster()
    wait_for(lambda: lab.cli(cluster, 1, "bcast ready\n")[1][2].startswith("node 3: sent"), "links")
    cluster.ask(1, "KV.FAULT", "delay", 1, 2, "50ms", "oneway")
    _, out, _ = lab.cli(cluster, 1, "send 2 first\nsend 2 second\nbcast third\n")
    took = [int(number) for line in out if line.startswith("node 2: ")
            for number in re.findall(r"\((-?\d+) ms\)", line)]
    must(len(took) == 3 and min(took) >= 49, out)  # stamps are whole milliseconds

    def log():
        with open(os.path.join(cluster.data, "node2.log"), encoding="utf-8") as file:
            return re.findall(r"message from node 1: (first|second|third)", file.read())
    wait_for(lambda: len(log()) == 3, "the lines")
    must(log() == ["first", "second", "third"], log())
    return out[0]


@row(42, "A page about the client's side", "task of all",
     "[api.md](api.md), [consistency.md](consistency.md), [architecture.md](architecture.md), "
     "[benchmarks.md](benchmarks.md)",
     "each command, level, receipt word and error code; it is compared with `COMMAND` and with the "
     "table of errors")
def api_page(lab):
    import pages  # it imports this module
    must(pages.read(pages.API_PAGE) == pages.api_page(lab.cluster(1).connect(1).ask),
         "docs/api.md is old; ./dev seeds --write")
