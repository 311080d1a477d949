#!/usr/bin/env python3
"""Shows, row by row, what docs/older-systems.md says: runs each command and looks at the outcome.

usage: seeds.py [--write] [ROW]...
  --write  makes the tables of docs/older-systems.md and docs/api.md anew

Prints a line for each row and exits 1 if one that is said to work does not.
"""

import argparse
import concurrent.futures
import sys
import time

from lab import ROWS, Lab  # first: it tells Python where the other modules are

import pages

# A row mostly waits; more at a time would disturb each other's elections.
AT_ONCE = 3


def show(row):
    """Runs a row's check: how long that took, a few words of evidence, and what went wrong."""
    began = time.monotonic()
    evidence, error = None, None
    if row.check is not None:
        lab = Lab()
        try:
            evidence = row.check(lab)
        except Exception as problem:  # of whatever kind, it failed
            error = f"{type(problem).__name__}: {problem}"
        finally:
            lab.close()
    return time.monotonic() - began, evidence, error


def line(row, evidence, error):
    if error is not None:
        return f"{row.number:>2} FAILED   {row.feature}: {error}"
    if row.missing:
        return f"{row.number:>2} not yet  {row.feature}: {row.missing}"
    return f"{row.number:>2} works    {row.feature}" + (f": {evidence}" if evidence else "")


def run_rows(numbers):
    """Prints each row's line, in order; the number of those that failed."""
    works = later = failed = 0
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        rows = [ROWS[number] for number in numbers]
        for row, (took, evidence, error) in zip(rows, pool.map(show, rows), strict=True):
            failed += error is not None
            later += error is None and bool(row.missing)
            works += error is None and not row.missing
            print(f"{took:5.1f} s  {line(row, evidence, error)}", flush=True)
    print(f"{works} of {len(rows)} work, {later} not yet, {failed} failed; "
          f"{time.monotonic() - began:.0f} s")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("rows", type=int, nargs="*", metavar="ROW")
    options = parser.parse_args()
    if options.write:
        lab = Lab()
        try:
            pages.write(lab.cluster(1).connect(1).ask)
        finally:
            lab.close()
        return 0
    unknown = set(options.rows) - set(ROWS)
    if unknown:
        parser.error(f"there is no row {min(unknown)}")
    return 1 if run_rows(options.rows or sorted(ROWS)) else 0


if __name__ == "__main__":
    sys.exit(main())
