"""Real processes, real disks: what a cluster promises when nodes are killed, stopped or wiped."""

import os
import re
import shutil
import signal
import threading
import unittest

from harness import ClusterTest, Connection, RespError, encode, run, wait_for


class Writer(threading.Thread):
    """Writes unique values through one node until told to stop; remembers what was acknowledged."""

    def __init__(self, cluster, node, name):
        super().__init__(daemon=True)
        self.cluster, self.node, self.name_ = cluster, node, name
        self.acknowledged = {}
        self.ending = threading.Event()

    def run(self):
        number = 0
        connection = None
        while not self.ending.is_set():
            key, value = f"{self.name_}:{number}", f"{self.name_}={number}"
            number += 1
            try:
                connection = connection or self.cluster.connect(self.node, timeout=10.0)
                if connection.ask("SET", key, value) == "OK":
                    self.acknowledged[key] = value
            except RespError:
                pass
            except OSError:
                if connection:
                    connection.close()
                connection = None
                self.ending.wait(0.05)
        if connection:
            connection.close()

    def stop(self):
        self.ending.set()
        self.join(30)


class Serving(ClusterTest):
    def test_a_write_at_one_node_is_read_at_all_others(self):
        self.assertEqual(self.cluster.ask(1, "SET", "k", "v"), "OK")
        for node in (1, 2, 3):
            self.assertEqual(self.cluster.ask(node, "GET", "k"), "v")

    def test_one_packet_keeps_its_order_at_every_node(self):
        packet = b"".join(encode(*words) for words in (
            ("SET", "k", 1), ("GET", "k"), ("SET", "k", 2), ("GET", "k")))
        for node in (1, 2, 3):
            with self.cluster.connect(node) as connection:
                connection.send_raw(packet)
                self.assertEqual([connection.read() for _ in range(4)], ["OK", "1", "OK", "2"])

    def test_inline_commands_and_half_close(self):
        with self.cluster.connect(2) as connection:
            connection.send_raw(b"SET a 1\r\nGET a\r\n")
            connection.sock.shutdown(1)
            self.assertEqual([connection.read(), connection.read()], ["OK", "1"])

    def test_levels_and_receipts(self):
        self.cluster.ask(1, "SET", "k", "v")
        with self.cluster.connect(2) as connection:
            self.assertEqual(connection.ask("GET", "k"), "v")
            self.assertEqual(connection.ask("KV.AT", "sequential", "GET", "k"), "v")
            receipt = connection.ask("KV.RECEIPT")
            fields = dict(zip(receipt[::2], receipt[1::2]))
            self.assertEqual(fields["asked"], "sequential")
            self.assertEqual(fields["path"], "local")
            with self.assertRaisesRegex(RespError, "LEVEL"):
                connection.ask("KV.AT", "all", "GET", "k")

    def test_values_of_any_bytes_and_sizes(self):
        with self.cluster.connect(3) as connection:
            for value in ("", "\0\r\n", "x" * (1 << 20), "ключ"):
                self.assertEqual(connection.ask("SET", "k", value), "OK")
                self.assertEqual(connection.ask("GET", "k"), value)
            with self.assertRaises(RespError):
                connection.ask("SET", "k", b"y" * (17 << 20))
            self.assertEqual(connection.ask("PING"), "PONG")

    def test_stopped_and_started_again_it_has_everything(self):
        for i in range(100):
            self.cluster.ask(i % 3 + 1, "SET", f"k{i}", i)
        self.cluster.stop()
        self.cluster.start()
        for i in range(100):
            self.assertEqual(self.cluster.ask((i + 1) % 3 + 1, "GET", f"k{i}"), str(i))


class Crashes(ClusterTest):
    def test_no_acknowledged_write_is_lost_by_kills_of_leaders_and_of_all(self):
        writers = [Writer(self.cluster, node, f"w{node}") for node in (1, 2, 3)]
        for writer in writers:
            writer.start()
        for _ in range(3):
            before = {w: len(w.acknowledged) for w in writers}
            wait_for(lambda: all(len(w.acknowledged) > before[w] + 50 for w in writers),
                     "writes at all nodes")
            leader = self.cluster.leader()
            self.cluster.kill(leader)
            rest = [w for w in writers if w.node != leader]
            before = {w: len(w.acknowledged) for w in rest}
            wait_for(lambda: all(len(w.acknowledged) > before[w] + 50 for w in rest),
                     "writes to resume")
            self.cluster.restart(leader)
        for node in (1, 2, 3):
            self.cluster.kill(node)
        for writer in writers:
            writer.stop()
        for node in (1, 2, 3):
            self.cluster.restart(node)
        wait_for(lambda: self.cluster.ask(1, "SET", "ready", 1) == "OK", "the cluster to serve")
        lost = []
        with self.cluster.connect(2) as connection:
            for writer in writers:
                for key, value in writer.acknowledged.items():
                    if connection.ask("GET", key) != value:
                        lost.append(key)
        self.assertEqual(lost, [])

    def test_increments_over_a_leader_kill_are_counted_once(self):
        counted = unknown = 0
        victim = self.cluster.leader()
        at = victim % 3 + 1
        with self.cluster.connect(at) as connection:
            for i in range(300):
                if i == 100:
                    self.cluster.signal(victim, signal.SIGKILL)
                try:
                    connection.ask("INCR", "n")
                    counted += 1
                except RespError as error:
                    unknown += str(error).startswith("UNKNOWN")
            value = int(connection.ask("GET", "n"))
        self.assertGreaterEqual(value, counted)
        self.assertLessEqual(value, counted + unknown)

    def test_a_stopped_leader_never_serves_an_old_linearizable_read(self):
        old = self.cluster.leader()
        other = old % 3 + 1
        self.cluster.ask(old, "SET", "k", "old")
        with self.cluster.connect(old) as connection:
            self.assertEqual(connection.ask("GET", "k"), "old")
            self.cluster.signal(old, signal.SIGSTOP)
            connection.send("GET", "k")  # lies in the socket while the leader sleeps
            wait_for(lambda: self.cluster.ask(other, "SET", "k", "new") == "OK", "a new leader")
            connection.send("GET", "k")
            self.cluster.signal(old, signal.SIGCONT)
            for _ in range(2):
                reply = connection.read()
                self.assertTrue(reply == "new" or isinstance(reply, RespError), reply)
        wait_for(lambda: self.cluster.ask(old, "GET", "k") == "new", "the old leader to follow")

    def test_a_minority_refuses_and_still_serves_prefix(self):
        leader = self.cluster.leader()
        self.cluster.ask(leader, "SET", "k", "v")
        rest = [node for node in (1, 2, 3) if node != leader]
        wait_for(lambda: self.cluster.ask(rest[0], "KV.AT", "prefix", "GET", "k") == "v",
                 "the follower")
        self.cluster.kill(leader)
        self.cluster.kill(rest[1])
        with self.cluster.connect(rest[0]) as connection:
            self.assertEqual(connection.ask("KV.AT", "prefix", "GET", "k"), "v")
            with self.assertRaisesRegex(RespError, "^NOLEADER"):
                connection.ask("GET", "k")
            with self.assertRaisesRegex(RespError, "^(NOLEADER|UNKNOWN)"):
                connection.ask("SET", "k", "w")

    def test_a_wiped_node_returns_as_a_learner(self):
        leader = self.cluster.leader()
        victim = leader % 3 + 1
        for i in range(200):
            self.cluster.ask(leader, "SET", f"k{i}", i)
        self.cluster.kill(victim)
        shutil.rmtree(os.path.join(self.cluster.data, f"node{victim}"))
        self.cluster.ask(leader, "SET", "after", "wipe")
        self.cluster.restart(victim)
        wait_for(lambda: self.cluster.ask(victim, "KV.AT", "prefix", "GET", "after") == "wipe",
                 "catch-up")
        self.assertEqual(self.cluster.status(victim)["role"], "learner")
        for i in range(200):
            self.assertEqual(self.cluster.ask(victim, "KV.AT", "prefix", "GET", f"k{i}"), str(i))

    def test_a_stopped_follower_catches_up_and_the_digests_agree(self):
        leader = self.cluster.leader()
        victim = leader % 3 + 1
        self.cluster.signal(victim, signal.SIGSTOP)
        with self.cluster.connect(leader) as connection:
            for start in range(0, 200_000, 2000):
                connection.send_raw(b"".join(
                    encode("SET", f"key:{i}", "x" * 64) for i in range(start, start + 2000)))
                for _ in range(2000):
                    self.assertEqual(connection.read(), "OK")
        self.cluster.signal(victim, signal.SIGCONT)
        want = self.cluster.ask(leader, "KV.DIGEST")
        wait_for(lambda: self.cluster.ask(victim, "KV.AT", "prefix", "KV.DIGEST") == want,
                 "equal digests")
        self.assertEqual(self.cluster.ask(victim, "DBSIZE"), 200_000)


class Partitions(ClusterTest):
    extra = ("--partitions", "4")

    def test_four_partitions_serve_as_one_keyspace(self):
        for i in range(100):
            self.cluster.ask(i % 3 + 1, "SET", f"k{i}", i)
        self.assertEqual(self.cluster.ask(2, "DBSIZE"), 100)
        with self.assertRaisesRegex(RespError, "CROSSSLOT"):
            self.cluster.ask(1, "MSET", *[word for i in range(10) for word in (f"k{i}", i)])
        with self.cluster.connect(3) as connection:
            cursor, seen = "0", set()
            while True:
                cursor, keys = connection.ask("SCAN", cursor, "COUNT", 7)
                seen.update(keys)
                if cursor == "0":
                    break
            self.assertEqual(seen, {f"k{i}" for i in range(100)})
            token = connection.ask("KV.SESSION")
        with self.cluster.connect(1) as connection:
            self.assertEqual(connection.ask("KV.SESSION", token), "OK")
            self.assertEqual(connection.ask("KV.AT", "sequential", "GET", "k7"), "7")


class SequentialByDefault(ClusterTest):
    extra = ("--level", "sequential")

    def test_connections_begin_at_the_level_of_the_cluster(self):
        with self.cluster.connect(2) as connection:
            self.assertEqual(connection.ask("SET", "k", "v"), "OK")
            self.assertEqual(connection.ask("GET", "k"), "v")
            receipt = connection.ask("KV.RECEIPT")
            self.assertEqual(receipt[:4], ["asked", "sequential", "met", "sequential"])


class BadInput(ClusterTest):
    def test_nonsense_hurts_only_its_own_connection(self):
        good = self.cluster.connect(1)
        self.addCleanup(good.close)
        for nonsense in (b"*3\r\n$-5\r\n", b"*1\r\n+x\r\n", b"*99999999999\r\n", b"$5\r\nhello\r\n",
                         b"*1\r\n$999999999999\r\n", b"x" * (1 << 20)):
            with self.cluster.connect(1) as bad:
                try:
                    bad.send_raw(nonsense)
                    reply = bad.read()
                    self.assertIsInstance(reply, RespError, nonsense[:20])
                except OSError:
                    pass  # closed before all of it was taken
            self.assertEqual(good.ask("PING"), "PONG")
        with self.cluster.connect(1) as half:
            half.send_raw(b"*2\r\n$3\r\nGET\r\n$10\r\nabc")
        self.assertEqual(good.ask("SET", "still", "here"), "OK")
        for args, text in ((("GET",), "wrong number of arguments for 'get' command"),
                           (("NOSUCH", "x"), "unknown command 'NOSUCH'"),
                           (("SET", "k", "v", "EX", "0"), "invalid expire time in 'set' command"),
                           (("INCRBY", "k", "x"), "value is not an integer or out of range")):
            with self.assertRaisesRegex(RespError, text):
                good.ask(*args)

    def test_a_full_disk_refuses_writes_and_goes_on_reading(self):
        self.cluster.ask(1, "SET", "k", "v")
        self.cluster.stop()
        path = os.path.join(self.cluster.data, "cluster.toml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        roomy = re.search(r"^reserve_bytes = .*$", text, re.M).group()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(roomy, f"reserve_bytes = {1 << 50}"))
        self.cluster.start()
        for node in (1, 2, 3):
            with self.assertRaisesRegex(RespError, "^DISKFULL"):
                self.cluster.ask(node, "SET", "k", "w")
            self.assertEqual(self.cluster.ask(node, "GET", "k"), "v")
        self.cluster.stop()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self.cluster.start()
        self.assertEqual(self.cluster.ask(1, "SET", "k", "w"), "OK")

    def test_nonsense_on_a_peer_port_is_shrugged_off(self):
        for data in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096), b"\0" * 64):
            with Connection(self.cluster.port(1) + 1000) as peer:
                peer.send_raw(data)
        self.assertEqual(self.cluster.ask(1, "SET", "k", "v"), "OK")

    def test_a_port_that_is_taken_is_named(self):
        other = self.cluster.dir + "/other"
        done = run("cluster", "start", "--base-port", self.cluster.base, "--data", other,
                   "--detach", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"port {self.cluster.base} is in use", done.stderr)

    def test_another_nodes_directory_is_refused(self):
        self.cluster.kill(1)
        self.cluster.kill(2)
        done = run("server", "--node", 1, "--config", self.cluster.data + "/cluster.toml", "--data",
                   self.cluster.data + "/node2", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("belongs to node 2", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
