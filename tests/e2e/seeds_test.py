"""docs/older-systems.md: its table is the one in tests/seeds/, and each row that is said to work
does."""

import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SEEDS = os.path.join(HERE, "..", "seeds")
sys.path.insert(0, SEEDS)

import lab  # noqa: E402  first: it tells Python where the other modules are
import pages  # noqa: E402


class OlderSystems(unittest.TestCase):
    def test_the_page_has_all_rows_as_they_are(self):
        self.assertEqual(sorted(lab.ROWS), list(range(1, 43)))
        self.assertEqual(pages.read(pages.ROWS_PAGE), pages.rows_page(), "./dev seeds --write")

    def test_each_row_that_is_said_to_work_does(self):
        done = subprocess.run([sys.executable, os.path.join(SEEDS, "seeds.py")], text=True,
                              capture_output=True, timeout=800, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
