"""Leaderless keyspaces on real processes: counts, conflicts, repair after faults, what is kept."""

import os
import re
import select
import shutil
import tempfile
import unittest

from harness import ClusterTest, RespError, encode, free_base_port, run, wait_for


class Leaderless(ClusterTest):
    keyspace = "fast"

    def open(self, node, keyspace=None):
        """A connection in the keyspace."""
        connection = wait_for(lambda: self.cluster.connect(node), f"node {node}")
        self.addCleanup(connection.close)
        wait_for(lambda: connection.ask("SELECT", keyspace or self.keyspace) == "OK", "SELECT")
        return connection

    def every(self, keyspace=None):
        return [self.open(node, keyspace) for node in range(1, self.nodes + 1)]

    def fault(self, *commands):
        for words in commands:
            self.assertEqual(self.cluster.ask(1, "KV.FAULT", *words.split()), "OK")

    def hold_all(self):
        self.fault("hold 1 2", "hold 1 3", "hold 2 3")

    def wait_equal(self, keyspace=None):
        """No read here: only fingerprints of what each node holds."""
        nodes = self.every(keyspace)
        wait_for(lambda: len({one.ask("KV.DIGEST") for one in nodes}) == 1, "equal digests")

    def wait_links(self, node, up):
        wait_for(lambda: self.cluster.ask(node, "KV.STATUS").count("link:up") == up,
                 f"{up} links of node {node}")

    def receipt(self, connection):
        words = connection.ask("KV.RECEIPT")
        return dict(zip(words[::2], words[1::2]))

    def set_timeout(self, milliseconds):
        """So that a slow machine's waiting is no outcome of its own."""
        self.cluster.stop()
        path = os.path.join(self.cluster.data, "cluster.toml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(re.sub(r"request_timeout_ms = \d+", f"request_timeout_ms = {milliseconds}",
                              text))
        self.cluster.start()


class MainIsLeaderless(Leaderless):
    nodes = 4
    extra = ("--level", "eventual", "-W", "2", "-R", "2")
    keyspace = "main"

    def versions(self, node, key):
        """Of the live rows that KV.SEARCH shows."""
        rows = str(self.cluster.ask(node, "KV.SEARCH", key))
        return set(re.findall(r"'(n[1-4]:[0-9a-f]{16}:\d+)', -1, 'live'", rows))

    def test_a_write_at_one_node_is_read_at_all_and_three_hold_it(self):
        for i in range(20):
            self.assertEqual(self.cluster.ask(i % 4 + 1, "SET", f"k{i}", i), "OK")
            for node in (1, 2, 3, 4):
                self.assertEqual(self.cluster.ask(node, "GET", f"k{i}"), str(i))
        for i in range(20):
            where = self.cluster.ask(1, "KV.WHERE", f"k{i}")
            holders = where[where.index("nodes") + 1]
            self.assertEqual(len(set(holders)), 3)
            for node in holders:
                found = wait_for(lambda: self.versions(node, f"k{i}"), "the row")
                self.assertEqual(len(found), 1)

    def test_requests_take_the_counts_of_the_cluster_and_may_ask_for_others(self):
        with self.cluster.connect(4) as connection:
            connection.ask("SET", "k", "v")
            receipt = self.receipt(connection)
            self.assertEqual((receipt["met"], receipt["replicas"], receipt["durability"]),
                             ("w=2,r=2", 2, "memory"))
            self.assertEqual(connection.ask("KV.AT", "all", "GET", "k"), "v")
            self.assertEqual(self.receipt(connection)["replicas"], 3)
            connection.ask("KV.AT", "one", "SET", "k", "w")
            self.assertEqual(self.receipt(connection)["met"], "w=2,r=1")  # a write never weakens
            with self.assertRaisesRegex(RespError, "^LEVEL .*3 replicas"):
                connection.ask("KV.AT", "w=4", "SET", "k", "x")
            with self.assertRaisesRegex(RespError, "^LEVEL .*one order"):
                connection.ask("KV.AT", "linearizable", "GET", "k")

    def test_it_survives_stops_kills_and_a_start_with_the_same_words_alone(self):
        for i in range(100):
            self.cluster.ask(i % 4 + 1, "SET", f"k{i}", i)
        self.cluster.kill(2)
        self.cluster.restart(2)
        self.cluster.stop()
        for flags, error in ((("-W", 1), "-W 1 differs from the cluster that exists (2;"),
                             (("-R", 3), "-R 3 differs"), (("-N", 2), "-N 2 differs"),
                             (("--level", "quorum"), "--level quorum differs"),
                             (("--conflict", "siblings"), "--conflict siblings differs"),
                             (("--durability", "fsync"), "--durability fsync differs"),
                             (("--partitions", 3), "--partitions 3 differs"),
                             (("-W", 4), "n=3 w=4 r=1: there are 4 nodes")):
            done = run("cluster", "start", "--data", self.cluster.data, "--detach", *flags,
                       check=False)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn(error, done.stderr)
        self.cluster.start(*self.extra, "-N", "3", "--conflict", "lww")
        for i in range(100):
            self.assertEqual(self.cluster.ask((i + 1) % 4 + 1, "GET", f"k{i}"), str(i))


class Sloppy(Leaderless):
    nodes = 4
    extra = ("--level", "quorum")
    keyspace = "main"

    def test_a_stand_in_keeps_what_a_replica_should_have(self):
        where = self.cluster.ask(1, "KV.WHERE", "k")
        first, second, third = where[where.index("nodes") + 1]
        self.cluster.kill(second)
        self.cluster.kill(third)
        self.wait_links(first, 1)
        with self.cluster.connect(first) as connection:
            with self.assertRaisesRegex(RespError, "^NOQUORUM 1 of 3"):
                connection.ask("SET", "k", "v")
            self.assertEqual(connection.ask("KV.AT", "quorum,sloppy", "SET", "k", "v"), "OK")
            receipt = self.receipt(connection)
            self.assertEqual((receipt["replicas"], receipt["stand-ins"]), (2, "yes"))
        [fourth] = {1, 2, 3, 4} - {first, second, third}
        self.wait_links(fourth, 1)
        self.assertEqual(self.cluster.ask(fourth, "KV.AT", "quorum,sloppy", "SET", "k", "v"), "OK")
        self.cluster.kill(first)
        self.cluster.restart(second)  # the stand-in alone is up and has it
        wait_for(lambda: self.cluster.ask(second, "KV.AT", "r=1", "GET", "k") == "v", "the hint")


class Conflicts(Leaderless):
    def test_writes_that_did_not_know_each_other_are_a_conflict(self):
        one, two, three = self.every()
        self.hold_all()
        self.assertEqual(one.ask("KV.AT", "w=1", "SET", "k", "b"), "OK")
        self.assertEqual(two.ask("KV.AT", "w=1", "SET", "k", "a"), "OK")
        self.assertEqual((one.ask("GET", "k"), two.ask("GET", "k"), three.ask("GET", "k")),
                         ("b", "a", None))
        self.fault("release 1 2", "release 1 3", "release 2 3")
        self.wait_equal()
        winner = one.ask("GET", "k")
        self.assertEqual({winner, two.ask("GET", "k"), three.ask("GET", "k")}, {winner})
        # Who got the outcome before the other's write had nothing to settle.
        lists = [node.ask("KV.CONFLICTS", "k") for node in (one, two, three)]
        self.assertNotEqual(lists, [[], [], []])
        for [conflict] in filter(None, lists):
            conflict = dict(zip(conflict[::2], conflict[1::2]))
            self.assertEqual((conflict["key"], {winner, conflict["lost"]}), ("k", {"a", "b"}))

    def test_writes_one_after_the_other_are_none(self):
        nodes = self.every()
        nodes[0].ask("SET", "fruit", "apple")
        nodes[0].ask("SET", "fruit", "banana")
        for node in nodes:
            wait_for(lambda: node.ask("GET", "fruit") == "banana", "banana")
            self.assertEqual(node.ask("KV.CONFLICTS", "fruit"), [])

    def test_siblings_stay_until_a_write_that_has_seen_them(self):
        self.cluster.ask(1, "KV.KEYSPACE", "CREATE", "cart", "leaderless", "conflict=siblings")
        one, two, three = self.every("cart")
        self.hold_all()
        one.ask("SET", "k", "left")
        two.ask("SET", "k", "right")
        self.fault("heal")
        self.wait_equal("cart")
        self.assertEqual(sorted(three.ask("GET", "k")), ["left", "right"])
        context = self.receipt(three)["context"]
        self.assertEqual(three.ask("KV.CONTEXT", context, "SET", "k", "both"), "OK")
        for node in (one, two, three):
            wait_for(lambda: node.ask("GET", "k") == "both", "the merged value")

    def test_lexical_keeps_the_smallest(self):
        self.cluster.ask(1, "KV.KEYSPACE", "CREATE", "old", "leaderless", "conflict=lexical")
        one, two, three = self.every("old")
        self.hold_all()
        one.ask("SET", "k", "pear")
        two.ask("SET", "k", "apple")
        self.fault("heal")
        self.wait_equal("old")
        self.assertEqual({node.ask("GET", "k") for node in (one, two, three)}, {"apple"})


class Repair(Leaderless):
    def test_what_was_deleted_while_a_replica_was_cut_off_stays_deleted(self):
        one, two, three = self.every()
        for i in range(100):
            one.ask("KV.AT", "all", "SET", f"k{i}", i)
        self.fault("cut 3 *")
        self.wait_links(1, 1)
        for i in range(0, 100, 2):
            self.assertEqual(two.ask("KV.AT", "quorum", "DEL", f"k{i}"), 1)
        self.assertEqual(three.ask("GET", "k0"), "0")
        self.fault("heal")
        self.wait_equal()
        for node in (one, two, three):
            self.assertEqual(node.ask("DBSIZE"), 50)
            self.assertEqual([node.ask("GET", f"k{i}") for i in range(4)], [None, "1", None, "3"])

    def write_many(self, connection, prefix, count):
        for start in range(0, count, 2000):
            connection.send_raw(b"".join(
                encode("SET", f"{prefix}:{i}", f"value {i}") for i in range(start, start + 2000)))
            for _ in range(2000):
                self.assertEqual(connection.read(), "OK")

    def test_a_node_that_was_away_gets_all_without_any_read(self):
        count = 100_000
        for number, hard in ((1, ("--hard",)), (2, ())):
            run("cluster", "kill", 3, "--data", self.cluster.data, *hard)
            self.write_many(self.open(number), f"k{number}", count)
            self.cluster.restart(3)
            self.wait_equal()
            self.assertEqual(self.open(3).ask("DBSIZE"), number * count)


class Counts(Leaderless):
    def test_no_write_is_answered_before_its_acks(self):
        self.set_timeout(120_000)
        one, two = self.open(1), self.open(2)
        self.hold_all()
        one.send("KV.AT", "w=2", "SET", "k", "x")
        two.send("KV.AT", "w=2", "SET", "k", "y")
        for node in (1, 2):  # what came later has been served: they had their chance
            other = self.open(node)
            self.assertEqual(other.ask("PING"), "PONG")
            self.assertEqual(other.ask("KV.AT", "w=1", "SET", f"later{node}", "z"), "OK")
            self.assertEqual(other.ask("GET", f"later{node}"), "z")
        # Nobody hears of them: what is held is many messages old by now, and still no answer.
        held = self.cluster.ask(1, "KV.FAULT", "status")
        wait_for(lambda: self.cluster.ask(1, "KV.FAULT", "status") != held, "more to be held")
        self.assertEqual(select.select([one.sock, two.sock], [], [], 0)[0], [])
        self.fault("release 1 2", "release 1 3", "release 2 3")
        self.assertEqual((one.read(), two.read()), ("OK", "OK"))
        self.wait_equal()
        self.assertEqual(one.ask("GET", "k"), two.ask("GET", "k"))

    def test_a_write_whose_acks_do_not_come_is_unknown_and_may_be_seen_later(self):
        self.set_timeout(300)
        one, two = self.open(1), self.open(2)
        wait_for(lambda: one.ask("KV.AT", "all", "SET", "first", "v") == "OK", "the disk")
        self.hold_all()
        with self.assertRaisesRegex(RespError, "^UNKNOWN 1 of 2 acks"):
            one.ask("KV.AT", "w=2", "SET", "k", "v")
        self.assertEqual(self.receipt(one)["outcome"], "unknown")
        with self.assertRaisesRegex(RespError, "^TIMEOUT 1 of 2 answers"):
            two.ask("KV.AT", "r=2", "GET", "k")
        self.fault("heal")
        wait_for(lambda: two.ask("GET", "k") == "v", "the write")

    def test_too_few_replicas_are_refused_and_one_serves_one(self):
        one = self.open(1)
        one.ask("KV.AT", "all", "SET", "k", "v")
        self.cluster.kill(2)
        self.cluster.kill(3)
        self.wait_links(1, 0)
        for words in (("w=2", "SET", "k", "new"), ("quorum", "DEL", "k"), ("r=2", "GET", "k")):
            with self.assertRaisesRegex(RespError, "^NOQUORUM 1 of 3 replicas are up"):
                one.ask("KV.AT", *words)
        self.assertEqual(one.ask("GET", "k"), "v")
        self.assertEqual(one.ask("SET", "k", "alone"), "OK")
        self.cluster.restart(2)
        self.cluster.restart(3)
        self.wait_equal()
        self.assertEqual(self.open(3).ask("GET", "k"), "alone")


class Durability(Leaderless):
    keyspace = "safe"

    def test_a_synced_keyspace_keeps_what_it_acknowledged(self):
        self.cluster.ask(1, "KV.KEYSPACE", "CREATE", "safe", "leaderless", "durability=fsync")
        acknowledged = []
        for number in range(2):
            nodes = self.every()
            for i in range(200):
                key = f"k{number}:{i}"
                self.assertEqual(nodes[i % 3].ask("SET", key, i), "OK")
                acknowledged.append((key, str(i)))
            self.assertEqual(self.receipt(nodes[0])["durability"], "disk-one")
            for node in (1, 2, 3):
                self.cluster.kill(node)
            for node in (1, 2, 3):
                self.cluster.restart(node)
            connection = self.open(2)
            self.wait_links(2, 2)
            for key, value in acknowledged:
                self.assertEqual(connection.ask("KV.AT", "all", "GET", key), value)
        self.wait_equal()

    def test_one_node_that_starts_alone_serves_what_it_has(self):
        self.cluster.ask(1, "KV.KEYSPACE", "CREATE", "safe", "leaderless", "durability=fsync")
        self.open(1).ask("KV.AT", "all", "SET", "k", "v")
        for node in (1, 2, 3):
            self.cluster.kill(node)
        self.cluster.restart(2)
        two = self.open(2)
        self.assertEqual(two.ask("GET", "k"), "v")
        self.assertEqual(two.ask("SET", "k", "w"), "OK")
        with self.assertRaisesRegex(RespError, "^NOQUORUM 1 of 3"):
            two.ask("KV.AT", "quorum", "GET", "k")
        for node in (1, 3):
            self.cluster.restart(node)
        self.wait_equal()
        self.assertEqual(self.open(3).ask("GET", "k"), "w")

    def test_an_orderly_stop_loses_nothing_of_the_others_either(self):
        nodes = self.every("fast")
        for i in range(300):
            self.assertEqual(nodes[i % 3].ask("SET", f"k{i}", i), "OK")
        self.cluster.stop()
        self.cluster.start()
        connection = self.open(1, "fast")
        for i in range(300):
            self.assertEqual(connection.ask("KV.AT", "all", "GET", f"k{i}"), str(i))


class BadInput(Leaderless):
    def test_it_is_one_error_and_changes_nothing(self):
        one = self.open(1)
        for words, error in (
                (("KV.AT", "strong", "SET", "k", "v"), "^LEVEL"),
                (("KV.AT", "w=4", "SET", "k", "v"), "^LEVEL .*more than the 3 replicas"),
                (("KV.AT", "w=0", "SET", "k", "v"), "^LEVEL"),
                (("KV.AT", "causal", "SET", "k", "v"), "^LEVEL"),
                (("KV.LEVEL", "sequential"), "^LEVEL"),
                (("KV.CONTEXT", "nonsense", "SET", "k", "v"), "^ERR"),
                (("KV.CONTEXT",), "^ERR wrong number of arguments"),
                (("KV.CONFLICTS", "a", "b"), "^ERR"),
                (("SET", "k", b"x" * ((16 << 20) + 1)), "^ERR"),
                (("INCR", "k"), "^REFUSED"), (("APPEND", "k", "v"), "^REFUSED"),
                (("SETNX", "k", "v"), "^REFUSED"), (("KV.CAS", "k", "a", "b"), "^REFUSED"),
                (("EXPIRE", "k", "5"), "^REFUSED"), (("KV.ONCE", "OPEN"), "^REFUSED"),
                (("KV.KEYSPACE", "CREATE"), "^ERR"), (("KV.KEYSPACE", "EXPLODE", "x"), "^ERR"),
                (("KV.KEYSPACE", "CREATE", "x", "leaderless", "w=4"), "^ERR .*w=4"),
                (("KV.KEYSPACE", "CREATE", "x", "leaderless", "n=9"), "^ERR .*n=9"),
                (("KV.KEYSPACE", "CREATE", "x", "w=2"), "^ERR 'w=2'"),
                (("KV.KEYSPACE", "CREATE", "x", "leaderless", "durability=no"), "^ERR 'dur"),
                (("KV.KEYSPACE", "CREATE", "x", "leaderless", "conflict=mine"), "^ERR 'con"),
                (("KV.KEYSPACE", "CREATE", "1x"), "^ERR .*name"),
                (("KV.KEYSPACE", "CREATE", "fast"), "^ERR keyspace 'fast' exists"),
                (("KV.KEYSPACE", "DROP", "main"), "^ERR"),
                (("KV.KEYSPACE", "DROP", "none"), "^NOKEYSPACE"),
                (("SELECT", "none"), "^ERR"), (("SELECT", "99"), "^ERR")):
            with self.assertRaisesRegex(RespError, error, msg=words[:4]):
                one.ask(*words)
        self.assertEqual(one.ask("KV.KEYSPACE", "LIST"), ["main", "fast"])
        self.assertEqual((one.ask("DBSIZE"), one.ask("GET", "k")), (0, None))
        self.assertEqual(one.ask("SET", "k", b"x" * (16 << 20)), "OK")

    def test_no_cluster_is_formed_of_words_that_do_not_fit(self):
        directory = tempfile.mkdtemp(prefix="kvorum-test-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        data, base = os.path.join(directory, "data"), free_base_port()
        for flags, error in (
                (("--level", "strong"), "'strong' is no level to begin with"),
                (("--level", "causal"), "'causal' is no level to begin with"),
                (("--level", "eventual", "-W", 4), "n=3 w=4 r=1: there are 3 nodes"),
                (("--level", "eventual", "-R", 4), "n=3 w=1 r=4: there are 3 nodes"),
                (("--level", "quorum", "-N", 4), "n=4 w=3 r=3: there are 3 nodes"),
                (("--level", "one", "-W", 0), "-W"), (("--level", "one", "-W", "x"), "-W"),
                (("--level", "one", "--conflict", "mine"), "--conflict"),
                (("--level", "one", "--durability", "no"), "'durability=no'"),
                (("-W", 2), "'linearizable' is ordered"),
                (("--level", "sequential", "-R", 2), "'sequential' is ordered"),
                (("--conflict", "lww"), "'linearizable' is ordered")):
            done = run("cluster", "start", "--base-port", base, "--data", data, "--detach", *flags,
                       check=False)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn(error, done.stderr)
            self.assertFalse(os.path.exists(data))


if __name__ == "__main__":
    unittest.main(verbosity=2)
