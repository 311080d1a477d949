"""kvorum bench on real clusters: counts, levels, keyspaces, a node that dies, bad flags."""

import json
import os
import signal
import socket
import subprocess
import threading
import unittest

from harness import BINARY, Cluster, ClusterTest, free_base_port, run, wait_for

PERCENTILES = ("min", "mean", "p50", "p90", "p99", "p99.9", "max")


class Bench(ClusterTest):
    def target(self, node):
        return f"127.0.0.1:{self.cluster.port(node)}"

    def bench(self, *flags, check=True):
        """The JSON of a run that is not warmed up."""
        done = run("bench", "--warm-up", "0s", "--json", "-", "--quiet", *flags, check=check)
        self.assertEqual(done.stderr, "" if done.returncode == 0 else done.stderr)
        return json.loads(done.stdout)

    def check_fields(self, out):
        for kind in ("reads", "writes"):
            times = out[kind]["latency_us"]
            self.assertEqual(tuple(times), PERCENTILES)
            if out[kind]["ok"]:
                self.assertLess(0, times["min"])
                ordered = [times[name] for name in PERCENTILES if name != "mean"]
                self.assertEqual(ordered, sorted(ordered))
        ended = sum(out[kind][how] for kind in ("reads", "writes") for how in ("ok", "failed"))
        self.assertEqual(out["requests"], ended)
        self.assertEqual(sum(error["count"] for error in out["errors"]),
                         out["reads"]["failed"] + out["writes"]["failed"])
        self.assertLess(0, out["seconds"])
        self.assertAlmostEqual(out["per_second"], ended / out["seconds"], delta=1)


class OnThreeNodes(Bench):
    def test_counts_add_up_and_figures_come_from_the_nodes(self):
        out = self.bench("--data", self.cluster.data, "--requests", 5000, "--reads", "0%",
                         "--keys", 300, "--value-size", 10, "--fill", "--clients", 7,
                         "--threads", 2, "--pipeline", 3)
        self.check_fields(out)
        self.assertEqual((out["requests"], out["writes"]["ok"], out["reads"]["ok"]),
                         (5000, 5000, 0))
        self.assertEqual((out["ended"], out["errors"], out["lost_connections"]), ("done", [], []))
        self.assertEqual(self.cluster.ask(1, "DBSIZE"), 300)
        self.assertEqual(len(self.cluster.ask(2, "GET", "key:000000000299")), 10)
        self.assertEqual([node["known"] for node in out["nodes"]], [True] * 3)
        each = out["per_operation"]
        for name in ("bytes_sent", "bytes_received", "load_cpu_us", "cpu_us", "peer_messages",
                     "peer_bytes", "disk_syncs"):
            self.assertLess(0, each[name], name)
        request = b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000299\r\n$10\r\n0123456789\r\n"
        self.assertEqual((each["bytes_sent"], each["bytes_received"]), (len(request), 5))

        out = self.bench(self.target(1), "--requests", 1000, "--reads", "100%", "--keys", 300)
        self.assertEqual((out["reads"]["ok"], out["reads"]["absent"]), (1000, 0))
        out = self.bench(self.target(1), "--requests", 1000, "--reads", "100%", "--keys", 300,
                         "--key-size", 17)
        self.assertEqual((out["reads"]["ok"], out["reads"]["absent"]), (1000, 1000))

    def test_reads_at_each_level_by_an_open_loop_and_a_closed_one(self):
        for level in ("linearizable", "sequential", "prefix", "bounded:1s"):
            for pace in ((), ("--rate", 5000)):
                out = self.bench(self.target(2), self.target(3), "--requests", 500, "--reads", 70,
                                 "--read-level", level, "--write-level", "linearizable", *pace)
                self.check_fields(out)
                self.assertEqual((out["requests"], out["errors"], out["not_sent"]), (500, [], 0))
                self.assertTrue(out["reads"]["ok"] and out["writes"]["ok"])
                self.assertEqual(out["options"]["read_level"], level)

    def test_a_leaderless_keyspace_and_its_levels(self):
        for words in (("--keyspace", "fast"), ("--keyspace", 1, "--write-level", "w=2",
                                               "--read-level", "quorum")):
            out = self.bench("--data", self.cluster.data, "--requests", 1000, "--keys", 50,
                             "--distribution", "zipfian", *words)
            self.check_fields(out)
            self.assertEqual((out["requests"], out["errors"]), (1000, []))
        with self.cluster.connect(1) as connection:
            connection.ask("SELECT", "fast")
            self.assertTrue(0 < connection.ask("DBSIZE") <= 50)
        self.assertEqual(self.cluster.ask(1, "DBSIZE"), 0)

    def test_settings_that_the_node_refuses_end_it_with_one_line(self):
        for flags, error in ((("--read-level", "w=4,r=4"), "LEVEL"),
                             (("--keyspace", "none"), "keyspace"),
                             (("--keyspace", "fast", "--read-level", "linearizable"), "LEVEL")):
            done = run("bench", self.target(1), "--requests", 10, *flags, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)
            self.assertIn(error, done.stderr)
            self.assertIn(self.target(1), done.stderr)

    def test_the_table_and_a_file_of_json(self):
        path = os.path.join(self.cluster.dir, "out.json")
        done = run("bench", self.target(1), "--requests", 200, "--warm-up", "10ms", "--json", path)
        self.assertEqual(done.stderr, "", "no progress where there is no terminal")
        for part in ("50 connections", "200 requests in", "p99.9", "\nreads", "\nwrites",
                     "disk syncs"):
            self.assertIn(part, done.stdout)
        with open(path, encoding="utf-8") as file:
            self.check_fields(json.load(file))

    def start(self, *flags):
        bench = subprocess.Popen([BINARY, "bench", "--warm-up", "0s", "--json", "-", "--quiet",
                                  "--duration", "10m", *map(str, flags)],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(bench.wait)
        self.addCleanup(bench.kill)
        return bench

    def commands(self, node):
        """How many requests the node has had."""
        text = self.cluster.ask(node, "INFO", "stats")
        return int(text.split("total_commands_processed:")[1].split()[0])

    def wait_work(self, node, more=1000):
        before = self.commands(node)
        wait_for(lambda: self.commands(node) > before + more, f"requests at node {node}")

    def interrupt(self, bench):
        bench.send_signal(signal.SIGINT)
        out, err = bench.communicate(timeout=60)
        self.assertEqual((bench.returncode, err), (0, ""))
        return json.loads(out)

    def test_a_node_that_dies_is_reported_and_its_connections_go_elsewhere(self):
        bench = self.start("--data", self.cluster.data, "--clients", 9, "--read-level", "prefix",
                           "--pipeline", 4)
        victim = self.cluster.leader()
        others = [node for node in (1, 2, 3) if node != victim]
        self.wait_work(victim)
        self.cluster.kill(victim)
        self.cluster.leader(others)
        for node in others:
            self.wait_work(node)
        self.assertIsNone(bench.poll())
        out = self.interrupt(bench)
        self.check_fields(out)
        self.assertEqual(out["ended"], "interrupted")
        lost = {one["target"]: one for one in out["lost_connections"]}
        self.assertEqual(set(lost), {self.target(victim)})
        self.assertEqual(lost[self.target(victim)]["count"], 3)
        for error in out["errors"]:
            unknown = error["kind"] == "write" and error["code"] in ("LOST", "UNKNOWN")
            self.assertEqual(error["outcome"], "unknown" if unknown else "definite", error)
        known = {node["target"]: node["known"] for node in out["nodes"]}
        self.assertEqual(known, {self.target(node): node != victim for node in (1, 2, 3)})

    def test_it_ends_when_no_node_is_left_and_tells_what_it_measured(self):
        bench = self.start(self.target(1))
        self.wait_work(1)
        self.cluster.kill(1)
        out, err = bench.communicate(timeout=60)
        self.assertEqual(bench.returncode, 1)
        self.assertEqual(err.count("\n"), 1, err)
        self.assertIn(f"no node answers any more; {self.target(1)}", err)
        out = json.loads(out)
        self.check_fields(out)
        self.assertEqual(out["ended"], "failed")
        self.assertLess(1000, out["requests"])

    def test_an_interrupted_run_tells_what_it_measured(self):
        for flags in ((), ("--rate", 3000, "--threads", 2)):
            bench = self.start(self.target(1), *flags)
            self.wait_work(1)
            out = self.interrupt(bench)
            self.check_fields(out)
            self.assertEqual((out["ended"], out["errors"]), ("interrupted", []))


class BadFlags(unittest.TestCase):
    def refused(self, *flags):
        done = run("bench", *flags, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr

    def test_each_is_one_line(self):
        for flags, error in (
                (("--clients", 0), "--clients"), (("--pipeline", "x"), "--pipeline"),
                (("--threads", 3, "--clients", 2), "--threads 3: there are only 2 connections"),
                (("--reads", "120%"), "--reads"), (("--reads", "half"), "--reads"),
                (("--keys", 0), "--keys"), (("--rate", 0), "--rate"),
                (("--key-size", 4, "--keys", 100000), "--key-size 4: 100000 keys need 5 bytes"),
                (("--distribution", "normal"), "--distribution"),
                (("--duration", "10 parsecs"), "--duration"), (("--requests", -1), "--requests"),
                (("--redis", "--read-level", "one"), "--redis excludes"),
                (("127.0.0.1:99999",), "is no port"), (("a b:7001",), "is no host:port"),
                (("127.0.0.1:7001", "--data", "x"), "--data"),
                (("--data", "/nonexistent"), "/nonexistent"), (("--colour",), "--colour")):
            self.assertIn(error, self.refused(*flags), flags)

    def test_a_node_that_is_not_there_is_told_at_once(self):
        port = free_base_port(1)
        done = run("bench", f"127.0.0.1:{port}", check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, f"kvorum: 127.0.0.1:{port}: Connection refused\n")


class OnWhatSpeaksLikeRedis(unittest.TestCase):
    def test_it_is_sent_nothing_but_gets_and_sets(self):
        """A server of our own making, which answers OK to anything and notes the words."""
        words = set()
        with socket.create_server(("127.0.0.1", 0)) as door:
            def serve():
                connection = door.accept()[0]
                with connection, connection.makefile("rb") as file:
                    while count := file.readline():
                        parts = []
                        for _ in range(int(count[1:])):
                            parts.append(file.read(int(file.readline()[1:]) + 2)[:-2])
                        words.add(parts[0])
                        connection.sendall(b"+OK\r\n")
            thread = threading.Thread(target=serve)
            thread.start()
            done = run("bench", f"127.0.0.1:{door.getsockname()[1]}", "--redis", "--clients", 1,
                       "--requests", 300, "--warm-up", "0s", "--json", "-")
            thread.join()
        out = json.loads(done.stdout)
        self.assertEqual((out["requests"], out["errors"], out["nodes"]), (300, [], []))
        self.assertIsNone(out["per_operation"]["cpu_us"])
        self.assertEqual(words, {b"GET", b"SET"})


class OneNode(unittest.TestCase):
    def test_a_frozen_node_counts_in_an_open_loop(self):
        """Requests that come due while the node stands still are sent and answered in the end."""
        cluster = Cluster(1)
        self.addCleanup(cluster.destroy)
        bench = subprocess.Popen(
            [BINARY, "bench", f"127.0.0.1:{cluster.port(1)}", "--rate", "2000", "--requests",
             "6000", "--clients", "2", "--warm-up", "0s", "--json", "-"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(bench.kill)
        wait_for(lambda: int(cluster.ask(1, "INFO", "stats").split("processed:")[1].split()[0])
                 > 1000, "the load")
        pid = cluster.pid(1)
        os.kill(pid, signal.SIGSTOP)
        threading.Event().wait(0.5)  # the fault itself: how long the node stands still
        os.kill(pid, signal.SIGCONT)
        out = json.loads(bench.communicate(timeout=60)[0])
        self.assertEqual((bench.returncode, out["requests"], out["not_sent"]), (0, 6000, 0))
        # Two connections: in a closed loop two requests would have met it, here it is hundreds.
        for kind in ("reads", "writes"):
            self.assertLess(400_000, out[kind]["latency_us"]["max"])
            self.assertLess(100_000, out[kind]["latency_us"]["p90"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
