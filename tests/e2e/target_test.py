"""kvorum run --target: scenarios on a real Redis with two replicas, beside a cluster of our own."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

from harness import Connection, run, wait_for

SCENARIOS = os.path.join(os.path.dirname(__file__), "..", "..", "scenarios")
FAILOVER = os.path.join(SCENARIOS, "failover-keeps-acknowledged-writes.json")


def free_ports(count):
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Redis:
    """A master and two replicas without files."""

    def __init__(self, nodes=3):
        self.dir = tempfile.mkdtemp(prefix="kvorum-redis-")
        self.ports = free_ports(nodes)
        self.url = "redis://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)
        self.processes = []
        for i, port in enumerate(self.ports):
            follows = ["--replicaof", "127.0.0.1", str(self.ports[0])] if i else []
            self.processes.append(subprocess.Popen(
                ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", self.dir,
                 "--save", "", "--repl-diskless-sync-delay", "0", *follows],
                stdout=subprocess.DEVNULL))
        for node in range(nodes):
            wait_for(lambda node=node: self.ask(node, "PING") == "PONG", f"node {node} of Redis")
        for node in range(1, nodes):
            wait_for(lambda node=node: self.ask(node, "ROLE")[3] == "connected", "a replica's link")

    def ask(self, node, *args):
        with Connection(self.ports[node]) as connection:
            return connection.ask(*args)

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Target(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="kvorum-target-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.out = os.path.join(self.dir, "out")

    def redis(self):
        redis = Redis()
        self.addCleanup(redis.stop)
        return redis

    def play(self, file, *words, code=0):
        file = file if os.path.isabs(file) else os.path.join(SCENARIOS, file)
        done = run("run", file, "--out", self.out, *words, check=False)
        self.assertEqual(done.returncode, code, f"{done.stdout}\n{done.stderr}")
        return done

    def write(self, **scenario):
        path = os.path.join(self.dir, "scenario.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(scenario, file)
        return path

    def history(self):
        with open(os.path.join(self.out, "history.jsonl"), encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        return [line for line in lines if "op" in line]  # the first may be the initial values


class Plays(Target):
    def test_all_requests_at_the_master(self):
        redis = self.redis()
        done = self.play("store-buffering.json", "--target", redis.url)
        self.assertIn(f"{redis.url}, which knows no levels", done.stdout)
        self.assertIn("20 of 20 plays as expected", done.stdout)
        self.assertEqual({o["node"] for o in self.history() if not o.get("final")}, {1})
        self.assertTrue(all("level" not in o for o in self.history()))
        self.assertEqual([redis.ask(node, "DBSIZE") for node in (0, 1, 2)], [0, 0, 0])

    def test_every_operation(self):
        requests = [
            {"type": "put", "key": "a", "value": "x"}, {"type": "append", "key": "a", "value": "y"},
            {"type": "get", "key": "a"}, {"type": "incr", "key": "n", "by": 5},
            {"type": "cas", "key": "a", "expect": "xy", "value": "z"},
            {"type": "cas", "key": "a", "expect": "no", "value": "w"},
            {"type": "cas", "key": "b", "expect": None, "value": "1"},
            {"type": "delete", "key": "n"}]
        file = self.write(clients=[{"node": 2, "requests": requests}],
                          expect={"model": "linearizable",
                                  "final": {"a": "z", "b": "1", "n": None}})
        self.play(file, "--target", self.redis().url, "--wait", 2)
        ended = [o["ok"] for o in self.history() if not o.get("final")]
        self.assertEqual(ended, [True, True, True, True, True, False, True, True])

    def test_a_replica_that_is_cut_off_is_read_and_comes_back(self):
        redis = self.redis()
        done = self.play("stale-read-under-partition.json", "--target", redis.url,
                         "--replica-reads", code=1)
        self.assertIn("yes  once: client 1 read x = old", done.stdout)
        self.assertIn("NO   never client 2 read x = old", done.stdout)
        self.assertIn("yes  in the end x = new", done.stdout)
        self.assertEqual(redis.ask(2, "ROLE")[0], "slave")

    def test_a_target_that_holds_keys_is_left_alone(self):
        redis = self.redis()
        redis.ask(0, "SET", "precious", "1")
        done = self.play("store-buffering.json", "--target", redis.url, code=1)
        self.assertIn("holds keys", done.stderr)
        self.assertEqual(redis.ask(0, "GET", "precious"), "1")

    def test_the_master_must_be_first(self):
        redis = self.redis()
        url = "redis://" + ",".join(f"127.0.0.1:{port}" for port in reversed(redis.ports))
        done = self.play("store-buffering.json", "--target", url, code=1)
        self.assertIn(f"127.0.0.1:{redis.ports[2]} is no master", done.stderr)


class Failover(Target):
    def rows(self, done):
        """The table by its rows' names: two columns each."""
        table = done.stdout[done.stdout.index("plays as expected  "):]
        cells = [[cell for cell in line.split("  ") if cell] for line in table.splitlines()]
        return {name: [cell.strip() for cell in rest] for name, *rest in cells}

    def test_an_acknowledged_write_is_lost_and_ours_is_not(self):
        redis = self.redis()
        done = self.play(FAILOVER, "--target", redis.url, "--beside", code=1)
        self.assertIn("NO   linearizable holds", done.stdout)
        rows = self.rows(done)
        self.assertEqual(rows["plays as expected"], ["0 of 1", "1 of 1"])
        self.assertEqual(rows["linearizable"], ["violation", "ok"])
        self.assertEqual(rows["durability"], ["violation", "ok"])
        self.assertEqual(rows["convergence"], ["violation", "ok"])
        self.assertEqual(rows["acknowledged writes lost"], ["2", "0"])
        self.assertRegex(rows["put: p50 / p99 ms"][0], r"^\d+\.\d{3} / \d+\.\d{3}$")
        with open(os.path.join(self.out, "beside.txt"), encoding="utf-8") as file:
            self.assertIn(file.read(), done.stdout)
        self.assertTrue(os.path.exists(os.path.join(self.out, "kvorum", "report.html")))
        redis.processes[0].wait(timeout=30)
        self.assertEqual(redis.ask(1, "ROLE")[0], "master")
        self.assertEqual(redis.ask(2, "ROLE")[2], redis.ports[1])

    def test_wait_acknowledges_nothing_that_one_node_alone_has(self):
        done = self.play(FAILOVER, "--target", self.redis().url, "--wait", 1, "--beside")
        self.assertEqual(self.rows(done)["acknowledged writes lost"], ["0", "0"])
        writes = [o["ok"] for o in self.history() if o["op"] in ("put", "incr")]
        self.assertEqual(writes, [None, None])


class Refused(Target):
    def refuse(self, *words, file="store-buffering.json", code=2):
        done = self.play(file, *words, code=code)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertFalse(os.path.exists(self.out))
        return done.stderr

    def test_urls(self):
        for url, wanted in [("http://127.0.0.1:1", "it must be redis://host:port"),
                            ("", "it must be redis://host:port"),
                            ("redis://127.0.0.1:x", "'x' is no port"),
                            ("redis://127.0.0.1:0", "'0' is no port"),
                            ("redis://a:1,,b:2", "'' is no host:port"),
                            ("redis://me@a:1", "'me@a:1' is no host:port"),
                            ("redis://a:1,a:1", "a:1 is there twice")]:
            self.assertIn(wanted, self.refuse("--target", url))

    def test_words(self):
        url = "redis://127.0.0.1:1,127.0.0.1:2,127.0.0.1:3"
        self.assertIn("has 3 nodes, and --target names 1", self.refuse("--target", "redis://a:1"))
        self.assertIn("--wait 3: there are 2 replicas", self.refuse("--target", url, "--wait", 3))
        self.assertIn("--target", self.refuse("--wait", 1))
        self.assertIn("--target", self.refuse("--beside"))
        for words in ["--compare"], ["--sim"], ["--mode", "local-write"]:
            self.assertIn("--target", self.refuse("--target", url, *words))
        self.assertIn("use --repeat 1",
                      self.refuse("--target", url, "--repeat", 2, file=FAILOVER))

    def test_what_a_target_cannot_do(self):
        url = "redis://127.0.0.1:1,127.0.0.1:2,127.0.0.1:3"
        for words, wanted in [({"do": "pause", "node": 1}, "'pause' can't be done"),
                              ({"do": "restart", "node": 2}, "'restart' can't be done"),
                              ({"do": "cut 1 2 oneway"}, "'cut 1 2 oneway' can't be done"),
                              ({"do": "hold 1 2 for 5s"}, "'hold 1 2 for 5s' can't be done"),
                              ({"do": "drop 1 2 5%"}, "'drop 1 2 5%' can't be done")]:
            file = self.write(clients=[{"requests": [{"type": "fault", **words}]}])
            self.assertIn(wanted, self.refuse("--target", url, file=file))
        file = self.write(clients=[{"requests": [{"type": "get", "key": "a"}]}],
                          delays=[{"ms": 5}])
        self.assertIn("delays can't be had", self.refuse("--target", url, file=file))

    def test_nobody_there(self):
        port = free_ports(1)[0]
        url = ",".join([f"redis://127.0.0.1:{port}", "127.0.0.1:1", "127.0.0.1:2"])
        self.assertIn(f"connecting to 127.0.0.1:{port}: Connection refused",
                      self.refuse("--target", url, code=1))


if __name__ == "__main__":
    unittest.main()
