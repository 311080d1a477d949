#!/usr/bin/env python3
"""How fast `kvorum sim` runs, its judge included, on one core.

    bench/sim.py [KVORUM=build/release/src/app/kvorum]

Prints simulated client operations per second of CPU time (five nodes, faults of every kind) and,
for a cluster that mostly waits, simulated time per CPU time. Each figure is the median of five.
"""
import pathlib
import re
import resource
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOADED = dict(nodes=5, partitions=1, clients=64, operations=100000, keys=64, value_bytes=16,
              read_percent=50, weak_percent=0, think_us=0, pipeline=1, other_percent=10,
              once_percent=20, token_percent=0, change_percent=30, give_up_ms=2000,
              crash_ms=1000, stop_ms=5000, pause_ms=3000, cut_ms=1500, clog_ms=3000,
              disk_slow_ms=3000, disk_fail_ms=6000, disk_lost_ms=8000, clock_ms=3000,
              loss_ppm=100, duplicate_ppm=1000, reorder_ppm=1000, fault_for_ms=500,
              faults_end_ms=600000, log_keep_kb=65536, checkpoint_ms=5000, free_clients=0)
IDLE = dict(nodes=5, partitions=1, clients=1, operations=1800, think_us=1000000, keys=16,
            weak_percent=0, faults_end_ms=3600000, free_clients=0)


def run(program, seed, settings):
    command = [program, "sim", "--seed", str(seed)]
    for name, value in settings.items():
        command += ["--set", "%s=%d" % (name, value)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit("seed %d: exit %d\n%s" % (seed, done.returncode, done.stdout[-2000:]))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    requests = int(re.search(r"^  requests +(\d+)", done.stdout, re.M).group(1))
    simulated = int(re.search(r"simulated (\d+) ms", done.stdout).group(1)) / 1000
    return requests, simulated, cpu


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/release/src/app/kvorum")
    loaded = [run(program, seed, LOADED) for seed in range(1, 6)]
    rates = [requests / cpu for requests, _, cpu in loaded]
    print("five nodes, faults of every kind, 64 clients: %d operations/s (%d to %d)" %
          (statistics.median(rates), min(rates), max(rates)))
    idle = [run(program, seed, IDLE) for seed in range(1, 6)]
    factors = [simulated / cpu for _, simulated, cpu in idle]
    print("five nodes, one request a second: %d times real time (%d to %d)" %
          (statistics.median(factors), min(factors), max(factors)))


if __name__ == "__main__":
    main()
