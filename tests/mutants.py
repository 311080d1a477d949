#!/usr/bin/env python3
"""Wakes every planted bug in turn and counts the seeds until `kvorum sim` notices.

    tests/mutants.py KVORUM [--seeds N] [NAME...]

KVORUM is the program of the `mutants` build. Exit 0: each one was caught within N seeds, by a
seed that finds nothing while all of them sleep.
"""
import argparse
import re
import signal
import subprocess
import sys
import tempfile

VIOLATION, NOT_CONVERGED = 1, 4


def run(program, mutant, seed, out):
    """(how it was caught or None, the reason in words)"""
    command = [program] + (["--mutant", mutant] if mutant else [])
    command += ["sim", "--seed", str(seed), "--out", out, "--budget", "1"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                          timeout=300)
    if done.returncode < 0:
        lines = [line for line in done.stderr.splitlines() if "broken invariant" in line]
        if done.returncode != -signal.SIGABRT or not lines:
            sys.exit("signal %d of %s:\n%s" % (-done.returncode, " ".join(command), done.stderr))
        return "CHECK", lines[-1].split("/")[-1]
    why = re.search(r"^(?:violation|not converged): (.*)$", done.stdout, re.M)
    if done.returncode == VIOLATION:
        return "judge" if why.group(1).startswith("level ") else "invariant", why.group(1)
    if done.returncode == NOT_CONVERGED:
        return "liveness", why.group(1)
    if done.returncode not in (0, 3):
        sys.exit("unexpected exit %d of %s:\n%s%s" %
                 (done.returncode, " ".join(command), done.stdout[-2000:], done.stderr[-2000:]))
    return None, ""


def first_caught(program, mutant, seeds, out):
    for seed in range(1, seeds + 1):
        how, why = run(program, mutant, seed, out)
        if how:
            return seed, how, why
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=500)
    args = parser.parse_intermixed_args()
    listing = subprocess.run([args.program, "--mutants"], capture_output=True, text=True,
                             check=True).stdout
    names = args.names or [line.split()[0] for line in listing.splitlines()]
    missed = 0
    with tempfile.TemporaryDirectory() as out:
        print("%-28s %5s  %-9s %s" % ("planted bug", "seeds", "caught by", "what was seen"))
        for name in names:
            caught = first_caught(args.program, name, args.seeds, out)
            if caught:
                seed, how, why = caught
                clean, reason = run(args.program, None, seed, out)
                if clean:
                    sys.exit("seed %d fails without any planted bug: %s" % (seed, reason))
                print("%-28s %5d  %-9s %s" % (name, seed, how, why[:100]), flush=True)
            else:
                missed += 1
                print("%-28s %5s  %-9s NOT CAUGHT in %d seeds" % (name, "-", "-", args.seeds),
                      flush=True)
    print("%d of %d caught" % (len(names) - missed, len(names)))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
