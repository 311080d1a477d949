"""The protocols beside Redis' on real processes: memcached's text protocol, the one of three
bytes."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

from harness import (BINARY, DEADLINE, Cluster, ClusterTest, Connection,
                     free_base_port, run, wait_for)

from pymemcache.client.base import Client  # where the harness told Python to look, too
from pymemcache.exceptions import MemcacheServerError

MEMCACHED, THREE_BYTE = 3000, 4000  # above the port of Redis clients


def talk(port, *pieces):
    """What the server says to these bytes until it ends, as `printf ... | nc` shows it."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as file:
            return file.read()


class FrontsTest(ClusterTest):
    extra = ("--memcached", "--three-byte")

    def client(self, node, **options):
        client = Client(("127.0.0.1", self.cluster.port(node) + MEMCACHED), timeout=DEADLINE,
                        connect_timeout=DEADLINE, no_delay=True, **options)
        self.addCleanup(client.close)
        return client

    def memcached(self, node, *pieces):
        return talk(self.cluster.port(node) + MEMCACHED, *pieces)

    def three(self, node, *pieces):
        return talk(self.cluster.port(node) + THREE_BYTE, *pieces)

    def log(self, node):
        with open(os.path.join(self.cluster.data, f"node{node}.log"), encoding="utf-8") as file:
            return file.read()


class Memcached(FrontsTest):
    def test_a_stock_client_at_any_node(self):
        one, two = self.client(1), self.client(2)
        self.assertTrue(one.set("k", "v", noreply=False))
        self.assertEqual(two.get("k"), b"v")
        self.assertFalse(two.add("k", "w", noreply=False))
        self.assertTrue(two.replace("k", "w", noreply=False))
        self.assertTrue(one.append("k", "x", noreply=False))
        self.assertTrue(one.prepend("k", "u", noreply=False))
        value, unique = two.gets("k")
        self.assertEqual(value, b"uwx")
        self.assertTrue(one.cas("k", "mine", unique, noreply=False))
        self.assertFalse(one.cas("k", "late", unique, noreply=False))
        self.assertEqual(self.cluster.ask(3, "SET", "k", "redis"), "OK")
        self.assertFalse(two.cas("k", "late", one.gets("k")[1] + b"0", noreply=False))
        self.assertIsNone(two.cas("none", "late", unique, noreply=False))
        self.assertEqual(one.get("k"), b"redis")
        self.assertTrue(one.add("n", "10", noreply=False))
        self.assertEqual((one.incr("n", 5), two.decr("n", 20), one.incr("none", 1)), (15, 0, None))
        self.assertEqual(one.set_many({"a": "1", "b": "2"}, noreply=False), [])
        self.assertEqual(two.get_many(["a", "b", "c"]), {"a": b"1", "b": b"2"})
        self.assertTrue(two.delete("a", noreply=False))
        self.assertFalse(one.delete("a", noreply=False))
        one.set("quiet", "1", noreply=True)
        self.assertEqual(one.get("quiet"), b"1")
        self.assertEqual(one.version(), b"1.4.0")
        self.assertEqual(int(one.stats()[b"curr_items"]), self.cluster.ask(1, "DBSIZE"))
        self.assertTrue(two.flush_all(noreply=False))
        self.assertEqual(self.cluster.ask(3, "DBSIZE"), 0)

    def test_redis_clients_see_the_very_same_bytes_and_the_other_way_round(self):
        one = self.client(1, allow_unicode_keys=True)
        big = os.urandom(1 << 20)
        for key, value in (("k", b"5"), ("ключ", "värde ✓".encode()), ("empty", b""),
                           ("lines", b"\r\nEND\r\n\0"), ("big", big)):
            self.assertTrue(one.set(key, value, noreply=False))
            text = value.decode("utf-8", "surrogateescape")
            self.assertEqual(self.cluster.ask(2, "GET", key), text)
            self.assertEqual(self.cluster.ask(2, "SET", key + "2", text), "OK")
            self.assertEqual(one.get(key + "2"), value)
        self.assertEqual(self.cluster.ask(3, "INCR", "k"), 6)
        self.assertEqual(one.incr("k", 1), 7)

    def test_lifetimes(self):
        one = self.client(1)
        self.assertTrue(one.set("k", "1", expire=100, noreply=False))
        self.assertEqual(one.incr("k", 1), 2)
        self.assertTrue(0 < self.cluster.ask(2, "PTTL", "k") <= 100_000)  # the counter kept it
        self.assertTrue(one.touch("k", 0, noreply=False))
        self.assertEqual(self.cluster.ask(2, "PTTL", "k"), -1)
        self.assertTrue(one.touch("k", 2_000_000_000_000, noreply=False))  # a time since 1970
        self.assertGreater(self.cluster.ask(2, "PTTL", "k"), 10**12)
        self.assertTrue(one.set("k", "1", expire=-1, noreply=False))
        self.assertIsNone(one.get("k"))
        self.assertTrue(one.set("k", "1", expire=1, noreply=False))
        wait_for(lambda: one.get("k") is None, "the end of the key")
        self.assertFalse(one.touch("k", 1, noreply=False))

    def test_counters_lose_nothing_to_others(self):
        """At all nodes at once, memcached and Redis clients."""
        self.assertTrue(self.client(1).set("n", "0", noreply=False))
        errors = []

        def count(node):
            try:
                client = self.client(node)
                for _ in range(30):
                    client.incr("n", 1)
                with self.cluster.connect(node) as connection:
                    for _ in range(30):
                        connection.ask("INCR", "n")
            except Exception as error:  # reported by the test's own thread
                errors.append(error)
        threads = [threading.Thread(target=count, args=(node,)) for node in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        self.assertEqual(self.client(2).get("n"), b"180")

    def test_what_cannot_be_is_refused_and_the_connection_goes_on(self):
        one = self.client(1)
        with self.assertRaisesRegex(MemcacheServerError, "flags other than 0 cannot be stored"):
            one.set("k", "1", flags=2, noreply=False)
        with self.assertRaisesRegex(MemcacheServerError, "cas needs the number"):
            one.cas("k", "1", b"0")
        big = b"x" * (1 + (16 << 20))
        self.assertEqual(
            self.memcached(1, b"set k 0 0 %d\r\n" % len(big), big, b"\r\nget k\r\nset k 0 0 1\r\n"
                           b"12\r\nnonsense\r\nget " + b"k" * 251 + b"\r\nset k 0 0 1\r\n7\r\n"
                           b"get k\r\n"),
            b"SERVER_ERROR object too large for cache\r\nEND\r\nCLIENT_ERROR bad data chunk\r\n"
            b"ERROR\r\nCLIENT_ERROR bad command line format\r\nSTORED\r\nVALUE k 0 1\r\n7\r\n"
            b"END\r\n")

    def test_bytes_in_pieces_and_in_a_row(self):
        request = b"set k 0 0 5\r\nhello\r\nget k\r\nincr k 1\r\nversion\r\nget k k\r\nquit\r\nx"
        answer = (b"STORED\r\nVALUE k 0 5\r\nhello\r\nEND\r\n"
                  b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
                  b"VERSION 1.4.0\r\n" + 2 * b"VALUE k 0 5\r\nhello\r\n" + b"END\r\n")
        self.assertEqual(self.memcached(2, request), answer)
        self.assertEqual(self.memcached(2, *(bytes([byte]) for byte in request)), answer)
        many = 5000
        self.assertEqual(self.memcached(3, b"get k\r\nset k 0 0 1\r\n1\r\nversion\r\n" * many),
                         b"VALUE k 0 5\r\nhello\r\nEND\r\nSTORED\r\nVERSION 1.4.0\r\n" +
                         b"VALUE k 0 1\r\n1\r\nEND\r\nSTORED\r\nVERSION 1.4.0\r\n" * (many - 1))

    def test_a_killed_node_and_a_lost_majority(self):
        self.assertTrue(self.client(1).set("k", "1", noreply=False))
        self.cluster.kill(1)
        two = self.client(2)

        def writes():
            try:
                return two.set("k", "2", noreply=False)
            except (MemcacheServerError, OSError):
                return False
        wait_for(writes, "a new leader")
        self.assertEqual(self.client(3).get("k"), b"2")
        self.cluster.kill(3)
        self.assertRegex(self.memcached(2, b"set k 0 0 1\r\n3\r\nversion\r\n"),
                         rb"^SERVER_ERROR (NOLEADER|UNKNOWN) [^\r\n]+\r\nVERSION 1\.4\.0\r\n$")


class ThreeBytes(FrontsTest):
    def test_put_get_and_dump_at_all_nodes(self):
        self.assertEqual(self.three(1, b"px2"), b"A")
        for node in (1, 2, 3):
            self.assertEqual(self.three(node, b"gx"), b"2")
        self.assertEqual(self.three(2, b"gy"), b"0")
        self.assertEqual(self.cluster.ask(3, "GET", "x"), "2")
        self.assertEqual(self.cluster.ask(3, "SET", "x", "7"), "OK")
        self.assertEqual(self.three(1, b"p", b"z", b"9", b"g", b"x\r\n", b" g", b"z\n"), b"A79")
        self.assertEqual(self.three(1, b"d"), b"A")
        found = re.findall(r"variable (\w) = (\d)\n", self.log(1))
        letters = "abcdefghijklmnopqrstuvwxyz"
        self.assertEqual(found, [(c, {"x": "7", "z": "9"}.get(c, "0")) for c in letters])

    def test_many_in_a_row(self):
        commands = b"".join(b"p%c%dg%c" % (97 + i % 26, i % 10, 97 + i % 26) for i in range(5000))
        self.assertEqual(self.three(3, commands),
                         b"".join(b"A%d" % (i % 10) for i in range(5000)))

    def test_what_is_no_success_begins_with_an_E(self):
        self.assertEqual(self.cluster.ask(1, "SET", "x", "12"), "OK")
        self.assertEqual(self.three(1, b"gxpy1d"), b"E ERR x holds no digit\nA"
                                                   b"E ERR x holds no digit\n")
        self.assertNotIn("variable", self.log(1))
        for bad in (b"q", b"px", b"pX1", b"px-", b"g", b"\0", b"xyz\n"):
            with self.subTest(bad):
                got = self.three(1, b"gy" + bad)
                rest = b"" if bad in (b"px", b"g") else rb"E ERR no command begins with .*\n"
                self.assertRegex(got, b"^1" + rest + b"$")

    def test_a_killed_node_and_a_lost_majority(self):
        self.assertEqual(self.three(1, b"px1"), b"A")
        self.cluster.kill(1)
        wait_for(lambda: self.three(2, b"px2") == b"A", "a new leader")
        self.assertEqual(self.three(3, b"gx"), b"2")
        self.cluster.kill(3)
        self.assertRegex(self.three(2, b"px3d"), rb"^E (NOLEADER|UNKNOWN) [^\n]+\nE [A-Z]+ ")
        self.assertEqual(self.three(2, b"d"), b"A")  # behind no write that is still open
        self.assertIn("variable x = 2", self.log(2))  # what this node has


class LeaderlessFronts(FrontsTest):
    extra = ("--memcached", "--three-byte", "--level", "eventual")

    def test_what_needs_one_order_is_refused(self):
        refused = rb"^SERVER_ERROR REFUSED [^\r\n]+\r\n$"
        self.assertEqual(self.memcached(1, b"set k 0 0 1\r\n1\r\nget k\r\ndelete k\r\n"),
                         b"STORED\r\nVALUE k 0 1\r\n1\r\nEND\r\nDELETED\r\n")
        self.assertEqual(self.memcached(1, b"set k 0 100 1\r\n1\r\n"), b"STORED\r\n")
        for request in (b"add k 0 0 1\r\n1\r\n", b"incr k 1\r\n", b"append k 0 0 1\r\n1\r\n",
                        b"touch k 1\r\n", b"cas k 0 0 1 7\r\n1\r\n"):
            with self.subTest(request):
                self.assertRegex(self.memcached(1, request), refused)
        self.assertEqual(self.three(1, b"px2gxd"), b"A2A")
        wait_for(lambda: self.three(3, b"gx") == b"2", "the value at another node")


class Ports(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="kvorum-test-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def open(self, port):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    def test_none_unless_asked_for(self):
        cluster = Cluster(1)
        self.addCleanup(cluster.destroy)
        self.assertFalse(self.open(cluster.port(1) + MEMCACHED))
        self.assertFalse(self.open(cluster.port(1) + THREE_BYTE))
        cluster.stop()
        done = run("cluster", "start", "--data", cluster.data, "--detach", "--memcached",
                   check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--memcached needs a port of each node", done.stderr)
        with open(os.path.join(cluster.data, "cluster.toml"), "a", encoding="utf-8") as file:
            file.write(f"memcached_port = {cluster.port(1) + MEMCACHED}\n")
        cluster.start("--memcached")
        self.assertEqual(talk(cluster.port(1) + MEMCACHED, b"get k\r\n"), b"END\r\n")

    def test_the_server_s_flags_rule(self):
        base = free_base_port(1)
        path = os.path.join(self.dir, "cluster.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'cluster = "1"\n[[node]]\nid = 1\nresp_port = {base}\n'
                       f"peer_port = {base + 1000}\nmemcached_port = {base + MEMCACHED}\n")
        server = subprocess.Popen(
            [BINARY, "server", "--node", "1", "--config", path, "--data",
             os.path.join(self.dir, "node1"), "--init", "--memcached", "0", "--three-byte",
             str(base + THREE_BYTE)], stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)

        def serves():
            with Connection(base) as connection:
                return connection.ask("SET", "x", "3") == "OK"
        wait_for(serves, "the server")
        self.assertEqual(talk(base + THREE_BYTE, b"gx"), b"3")
        self.assertFalse(self.open(base + MEMCACHED))

    def test_a_port_in_use_is_named(self):
        base = free_base_port(1)
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", base + THREE_BYTE))
            taken.listen()
            done = run("cluster", "start", "--nodes", 1, "--base-port", base, "--detach", "--data",
                       os.path.join(self.dir, "data"), "--three-byte", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"port {base + THREE_BYTE} is in use", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
