"""kvorum sim from the command line: what a failing run, or a range with failures, leaves behind."""

import os
import shutil
import tempfile
import unittest

from harness import run

# Nobody hears of anybody before every time-out: no leader, for any seed.
DEAF = ["--set", "nodes=3", "--set", "delay_min_us=10000000", "--set", "operations=10"]
KEPT = {"trace.txt", "history.jsonl", "verdict.txt", "scenario.json"}


class Sim(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="kvorum-sim-")
        self.addCleanup(shutil.rmtree, self.dir)

    def sim(self, *args):
        return run("sim", *args, "--out", self.dir, check=False)

    def kept(self, name):
        return set(os.listdir(os.path.join(self.dir, name)))

    def test_a_range_keeps_its_lowest_failing_seed(self):
        done = self.sim("--seeds", "3..5", *DEAF)
        self.assertEqual(done.returncode, 4, done.stdout)
        self.assertEqual(os.listdir(self.dir), ["seed-3"])
        self.assertEqual(self.kept("seed-3"), KEPT)
        self.assertIn("seed 3 is the first with: not converged", done.stdout)
        self.assertIn("3 seeds, ", done.stdout.splitlines()[-1])

    def test_a_range_is_shrunk_and_a_scenario_leaves_files_under_its_own_name(self):
        done = self.sim("--seeds", "3..4", "--shrink", *DEAF)
        self.assertEqual(done.returncode, 4, done.stdout)
        self.assertEqual(self.kept("seed-3"), KEPT | {"shrunk.json"})
        done = self.sim("--scenario", os.path.join(self.dir, "seed-3", "shrunk.json"))
        self.assertEqual(done.returncode, 4, done.stdout)
        self.assertEqual(self.kept("shrunk"), KEPT)

    def test_a_trace_is_of_one_seed(self):
        done = self.sim("--seeds", "1..2", "--trace")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("--trace", done.stderr)


if __name__ == "__main__":
    unittest.main()
