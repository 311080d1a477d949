#!/usr/bin/env python3
"""What a request costs, all three nodes together: processor time, system calls, context switches,
allocations, messages and bytes between nodes, syncs. Steadier than rates on a machine that does
other things.

usage: budget.py [--requests N] [WORK]...

WORK: set, get (linearizable), eventual-set, eventual-get (W = R = 1), quorum-set, quorum-get
(W = R = 2); all if none is named. 64-byte values, 100,000 keys, 50 connections, without a pipeline
and with 16 requests in it. N: 400,000 of the latter, a quarter of the former. System calls and
switches need linux-perf and its right to trace; allocations, counted in a run of their own,
the right to set probes (root). KVORUM_BIN is the program.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
from harness import Cluster, wait_for  # noqa: E402

NODES = (1, 2, 3)
WORKS = ("set", "get", "eventual-set", "eventual-get", "quorum-set", "quorum-get")
ALLOCATORS = ("malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign", "_Znwm", "_Znam",
              "_ZnwmSt11align_val_t")
PROBES = "/sys/kernel/tracing/uprobe_events"
TICK = 1 / os.sysconf("SC_CLK_TCK")


def load(cluster, node, keyspace, op, depth, requests):
    """redis-benchmark's words."""
    return ["redis-benchmark", "-p", str(cluster.port(node)), "--dbnum", str(keyspace), "-d", "64",
            "-r", "100000", "-c", "50", "-n", str(requests), "-t", op, "-P", str(depth), "-q"]


def figures(cluster):
    """What all nodes have used so far."""
    sums = {"user": 0.0, "system": 0.0, "messages": 0, "bytes": 0, "syncs": 0}
    for node in NODES:
        with open(f"/proc/{cluster.pid(node)}/stat", encoding="utf-8") as file:
            words = file.read().rpartition(")")[2].split()
        sums["user"] += int(words[11]) * TICK
        sums["system"] += int(words[12]) * TICK
        info = dict(line.split(":", 1) for line in cluster.ask(node, "INFO").splitlines()
                    if ":" in line)
        sums["messages"] += int(info["peer_messages_sent"])
        sums["bytes"] += int(info["peer_bytes_sent"])
        sums["syncs"] += int(info["disk_syncs"])
    return sums


def counted(cluster, events, command):
    """Runs it; how often each event happened in the nodes meanwhile. Empty: cannot be counted."""
    pids = ",".join(str(cluster.pid(node)) for node in NODES)
    try:
        done = subprocess.run(["perf", "stat", "-x", ";", "-e", events, "-p", pids, "--", *command],
                              capture_output=True, text=True, check=True)
        return [int(count) for count in re.findall(r"^(\d+);", done.stderr, re.MULTILINE)]
    except (OSError, subprocess.CalledProcessError):
        subprocess.run(command, capture_output=True, check=True)
        return []


def probe(command):
    file = os.open(PROBES, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(file, command.encode() + b"\n")
    finally:
        os.close(file)


@contextlib.contextmanager
def allocation_probes(cluster):
    """Probes where the nodes' allocator begins: their perf event, None without the right."""
    group = f"kvorum_{os.getpid()}"
    names = []
    try:
        with open(f"/proc/{cluster.pid(1)}/maps", encoding="utf-8") as maps:
            library = re.search(r"/\S*jemalloc\S*", maps.read()).group()
        symbols = subprocess.run(["nm", "-D", library], capture_output=True, text=True, check=True)
        found = re.findall(rf"^(\w+) T ({'|'.join(ALLOCATORS)})$", symbols.stdout, re.MULTILINE)
        for address, name in found:
            probe(f"p:{group}/{name} {library}:0x{address}")
            names.append(name)
    except (OSError, AttributeError, subprocess.CalledProcessError) as error:
        print(f"allocations are not counted: {error}", file=sys.stderr)
    try:
        yield f"{group}:*" if names else None
    finally:
        for name in names:
            probe(f"-:{group}/{name}")


def measure(cluster, work, depth, requests, keyspaces, probes):
    level, _, op = work.rpartition("-")
    node = cluster.leader() if not level else 1
    keyspace = keyspaces[level]
    subprocess.run(load(cluster, node, keyspace, "set", 16, 100_000), capture_output=True,
                   check=True)
    command = load(cluster, node, keyspace, op, depth, requests)
    before = figures(cluster)
    counts = counted(cluster, "raw_syscalls:sys_enter,context-switches", command)
    after = figures(cluster)
    cost = {name: (after[name] - before[name]) / requests for name in after}
    calls, switches = (f"{count / requests:.2f}" for count in counts) if counts else "--"
    allocations = counted(cluster, probes, command) if probes else []
    made = f"{sum(allocations) / requests:.2f}" if allocations else "-"

    print(f"| {work} | {depth} | {(cost['user'] + cost['system']) * 1e6:.1f} "
          f"| {cost['user'] * 1e6:.1f} | {cost['system'] * 1e6:.1f} | {calls} "
          f"| {switches} | {made} | {cost['messages']:.3f} | {cost['bytes']:.0f} "
          f"| {cost['syncs']:.3f} |", flush=True)


@contextlib.contextmanager
def cluster_of_three():
    """It, and the number of the keyspace for each level."""
    cluster = Cluster(3)
    try:
        cluster.ask(1, "KV.KEYSPACE", "CREATE", "quorum", "leaderless", "w=2", "r=2")
        described = cluster.ask(1, "KV.KEYSPACE", "DESCRIBE", "quorum")
        number = dict(zip(described[::2], described[1::2]))["id"]
        wait_for(lambda: all(" refilling:0" in cluster.ask(node, "KV.STATUS") for node in NODES),
                 "whole replicas")
        yield cluster, {"": 0, "eventual": 1, "quorum": number}
    finally:
        cluster.destroy()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--requests", type=int, default=400_000)
    parser.add_argument("work", nargs="*", choices=[*WORKS, []])
    words = parser.parse_args()
    with cluster_of_three() as (cluster, keyspaces), allocation_probes(cluster) as probes:
        print("| work | pipeline | µs | user | system | system calls | switches | allocations "
              "| messages | bytes | syncs |\n|---|---|---|---|---|---|---|---|---|---|---|")
        for work in words.work or WORKS:
            for depth, requests in ((1, words.requests // 4), (16, words.requests)):
                measure(cluster, work, depth, requests, keyspaces, probes)


if __name__ == "__main__":
    main()
