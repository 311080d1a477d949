"""A memory budget far below the data: real processes, RocksDB, kill -9."""

import re
import unittest

from harness import ClusterTest, encode, run, wait_for

# 240 MB of values, 8 MB of memory for them; RocksDB and the log's window take more than 100 MB.
ROWS, FREE_ROWS, BYTES, BUDGET = 30_000, 12_000, 8_192, 8 << 20
PIECE = 500  # requests in flight
NODES = (1, 2, 3)


def key(number):
    return f"row:{number}"


def value(number, turn):
    return f"{turn}:{number}:".ljust(BYTES, "x")


class Memory(ClusterTest):
    extra = ("--memory-budget", "8MB")
    rows = ROWS
    keyspace = "main"

    def pipelined(self, node, requests):
        """The replies to all of them, in order."""
        replies = []
        with self.cluster.connect(node, timeout=60.0) as connection:
            self.assertEqual(connection.ask("SELECT", self.keyspace), "OK")
            for start in range(0, len(requests), PIECE):
                piece = requests[start:start + PIECE]
                connection.send_raw(b"".join(encode(*words) for words in piece))
                replies += [connection.read() for _ in piece]
        return replies

    def memory(self, node):
        text = self.cluster.ask(node, "INFO", "memory")
        return {name: int(number) for name, number in re.findall(r"^(\w+):(\d+)", text, re.M)}

    def resident(self, node):
        with open(f"/proc/{self.cluster.pid(node)}/status", encoding="utf-8") as file:
            return int(re.search(r"^VmRSS:\s+(\d+) kB", file.read(), re.M).group(1)) << 10

    def fill(self, turn, rows):
        sets = [("SET", key(i), value(i, turn)) for i in range(rows)]
        self.assertEqual(set(self.pipelined(1, sets)), {"OK"})

    def wait_bounded(self):
        for node in NODES:
            wait_for(lambda at=node: self.memory(at)["used_memory_dataset"] <= BUDGET,
                     f"node {node} within its budget")

    def check_values(self, node, turn):
        gets = [("GET", key(i)) for i in range(self.rows)]
        for i, found in enumerate(self.pipelined(node, gets)):
            if found != value(i, turn):
                self.fail(f"node {node}: {key(i)} is {str(found)[:40]}")

    def digests(self):
        """One, once all nodes have the same."""
        def all_of_them():
            return {self.pipelined(node, [("KV.DIGEST",)])[0] for node in NODES}
        wait_for(lambda: len(all_of_them()) == 1, "digests")


class Ordered(Memory):
    def test_what_does_not_fit_is_on_disk_and_comes_back(self):
        pids = [self.cluster.pid(node) for node in NODES]
        self.fill(1, ROWS // 10)  # and written over, once it is cold
        self.fill(2, ROWS)
        self.wait_bounded()
        for node in NODES:
            self.assertLess(ROWS // 2, self.memory(node)["cold_rows"])
            self.check_values(node, 2)
        self.wait_bounded()
        self.assertEqual(self.cluster.ask(2, "APPEND", key(7), "more"), BYTES + 4)
        self.assertEqual(self.cluster.ask(3, "GET", key(7)), value(7, 2) + "more")
        self.assertEqual(self.cluster.ask(1, "SET", key(7), value(7, 2)), "OK")
        self.assertEqual(pids, [self.cluster.pid(node) for node in NODES])  # nobody died
        for node in NODES:
            self.cluster.kill(node)
        for node in NODES:
            self.cluster.restart(node)
        for node in NODES:
            wait_for(lambda at=node: self.cluster.ask(at, "DBSIZE") == ROWS, "all rows")
            self.check_values(node, 2)
        self.wait_bounded()
        for node in NODES:
            self.assertLess(self.resident(node), ROWS * BYTES)
        self.digests()

    def test_metrics_tell_of_it(self):
        self.assertEqual(self.cluster.ask(1, "SET", "k", "v"), "OK")
        figures = self.memory(1)
        self.assertEqual(figures["memory_budget"], BUDGET)
        self.assertEqual((figures["cold_rows"], figures["cold_row_fetches"]), (0, 0))


class Leaderless(Memory):
    rows = FREE_ROWS
    keyspace = "fast"

    def test_what_does_not_fit_is_on_disk_and_comes_back(self):
        pids = [self.cluster.pid(node) for node in NODES]
        self.fill(1, self.rows // 10)  # and written over, once it is cold
        self.fill(2, self.rows)
        self.digests()
        self.wait_bounded()
        for node in NODES:
            self.assertLess(self.rows // 2, self.memory(node)["cold_rows"])
            self.check_values(node, 2)
        for node in NODES:
            self.assertLess(self.rows // 2, self.memory(node)["cold_row_fetches"])
        self.wait_bounded()
        self.assertEqual(pids, [self.cluster.pid(node) for node in NODES])  # nobody died
        self.cluster.kill(3)  # another replica when it comes back, repaired from values on disk
        self.fill(3, self.rows)
        self.cluster.restart(3)
        self.digests()
        self.check_values(3, 3)
        self.cluster.stop()
        self.cluster.start()
        self.digests()
        for node in NODES:
            self.check_values(node, 3)
        self.wait_bounded()


class Flags(unittest.TestCase):
    def refused(self, *words):
        done = run("cluster", "start", "--data", "/nowhere/at/all", *words, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def test_bad_sizes_and_stores_are_refused(self):
        self.assertIn("'lots' is not a size", self.refused("--memory-budget", "lots"))
        self.assertIn("needs --store rocks",
                      self.refused("--memory-budget", "1G", "--store", "mem"))


if __name__ == "__main__":
    unittest.main()
