"""KV.FAULT on real clusters: what clients see of cut, held, delayed and lossy peer links."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import BINARY, ClusterTest, Connection, RespError, free_base_port, wait_for


class Faults(ClusterTest):
    def fault(self, node, words):
        return self.cluster.ask(node, "KV.FAULT", *words.split())

    def others(self, node):
        return [other for other in (1, 2, 3) if other != node]

    def refused(self, node, *args):
        """The command got an error, and neither a value nor an OK."""
        with self.assertRaisesRegex(RespError, "^(NOLEADER|UNKNOWN|TIMEOUT)"):
            self.cluster.ask(node, *args)

    def wait_equal(self):
        """Every node's own rows are the same."""
        wait_for(lambda: len({self.cluster.ask(node, "KV.AT", "prefix", "KV.DIGEST")
                              for node in (1, 2, 3)}) == 1, "equal digests")

    def messages(self, node):
        """How many messages the first rule at the node was applied to."""
        return int(self.fault(node, "status")[0].split(": ")[1].split()[0])

    def test_a_leader_that_is_cut_off_loses_its_place_and_its_word(self):
        old = self.cluster.leader()
        rest = self.others(old)
        self.cluster.ask(old, "SET", "k", "before")
        self.assertEqual(self.fault(rest[0], f"cut {old} *"), "OK")
        self.assertEqual(len(self.fault(old, "status")), 2)
        new = self.cluster.leader(rest)
        wait_for(lambda: self.cluster.ask(new, "SET", "k", "after") == "OK", "writes to go on")
        self.refused(old, "SET", "k", "never")
        self.refused(old, "GET", "k")
        self.assertEqual(self.cluster.ask(old, "KV.AT", "prefix", "GET", "k"), "before")
        self.assertEqual(self.cluster.ask(rest[1], "GET", "k"), "after")
        self.assertEqual(self.fault(new, f"heal {old} *"), "OK")
        self.assertEqual(self.fault(old, "status"), [])
        wait_for(lambda: self.cluster.ask(old, "GET", "k") == "after", "the old leader to follow")
        wait_for(lambda: self.cluster.ask(old, "SET", "k", "again") == "OK", "all to serve")
        self.wait_equal()

    def test_a_held_link_releases_what_it_held(self):
        leader = self.cluster.leader()
        victim, third = self.others(leader)
        self.cluster.ask(leader, "SET", "k", "v")
        wait_for(lambda: self.cluster.ask(victim, "KV.AT", "prefix", "GET", "k") == "v", "both")
        # Its vote requests, when it misses its leader, are refused by the third, which hears it.
        self.assertEqual(self.fault(third, f"hold {leader} {victim} oneway"), "OK")
        self.assertEqual(self.cluster.ask(leader, "SET", "k", "w"), "OK")
        wait_for(lambda: self.messages(leader) > 0, "messages to be held")
        self.assertTrue(self.cluster.ask(victim, "KV.AT", "prefix", "GET", "k") == "v"
                        or self.cluster.leader() != leader)  # a new leader may have told it
        self.assertEqual(self.fault(victim, f"release {leader} {victim}"), "OK")
        wait_for(lambda: self.cluster.ask(victim, "KV.AT", "prefix", "GET", "k") == "w", "release")
        self.wait_equal()

    def test_slow_and_lossy_links_are_counted_and_end_by_themselves(self):
        leader = self.cluster.leader()
        slow, lossy = self.others(leader)
        self.fault(lossy, f"delay {leader} {slow} 100ms jitter 20ms seed 4 oneway")
        self.fault(leader, f"drop {lossy} {leader} 30% seed 4 oneway")
        for i in range(30):
            node = i % 3 + 1
            wait_for(lambda: self.cluster.ask(node, "SET", f"k{i}", i) == "OK", "a write")
        shapes = [rf"^delay {leader} {slow} 100ms jitter 20ms seed 4 oneway: [1-9]\d* delayed$",
                  rf"^drop {lossy} {leader} 30% seed 4 oneway: [1-9]\d* dropped$"]
        wait_for(lambda: all(re.match(shape, line) for shape, line in
                             zip(shapes, self.fault(leader, "status"), strict=True)), "counts")
        self.assertEqual(self.fault(slow, "status") + self.fault(lossy, "status"), [])
        self.assertEqual(self.fault(slow, "reset"), "OK")
        self.assertEqual(self.fault(leader, "status"), [])
        self.fault(2, "cut 1 2 for 1s")
        self.assertRegex(self.fault(2, "status")[0], r"^cut 1 2 for [01]\.\ds$")
        wait_for(lambda: self.fault(2, "status") == [], "the rule to end")
        for node in (1, 2, 3):
            wait_for(lambda: self.cluster.ask(node, "SET", "end", node) == "OK", "a write")
        self.wait_equal()

    def test_a_process_that_is_gone_has_no_rules(self):
        self.cluster.kill(2)
        self.assertEqual(self.fault(1, "cut 2 3"), "OK")
        self.assertEqual(self.fault(3, "status"), ["cut 2 3"])
        with self.assertRaisesRegex(RespError, "^ERR .*node 2 was not reached"):
            self.fault(1, "cut 2 *")
        self.assertEqual(self.fault(1, "heal"), "OK")
        self.assertEqual(self.fault(3, "status"), [])

    def test_bad_input_is_one_error_and_changes_nothing(self):
        for words in ("explode 1 2", "cut 1 9", "cut 2 2", "drop 1 2 101%", "delay 1 2 soon"):
            with self.assertRaisesRegex(RespError, "^ERR KV.FAULT: "):
                self.fault(1, words)
        self.assertEqual(self.fault(1, "status"), [])


class Refused(unittest.TestCase):
    def test_a_server_without_the_flag_has_no_faults(self):
        directory = tempfile.mkdtemp(prefix="kvorum-test-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        base = free_base_port(1)
        config = os.path.join(directory, "cluster.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write('cluster = "00000000c0ffee00"\n\n[[node]]\nid = 1\n'
                       f"resp_port = {base}\npeer_port = {base + 1000}\n")
        with open(os.path.join(directory, "log"), "w", encoding="utf-8") as log:
            process = subprocess.Popen([BINARY, "server", "--node", "1", "--config", config,
                                        "--data", os.path.join(directory, "node1"), "--init"],
                                       stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        connection = wait_for(lambda: Connection(base), "the server")
        with connection:
            for words in (("status",), ("reset",), ("cut", "1", "2")):
                with self.assertRaisesRegex(RespError, "^ERR KV.FAULT is refused.*--faults"):
                    connection.ask("KV.FAULT", *words)


if __name__ == "__main__":
    unittest.main(verbosity=2)
