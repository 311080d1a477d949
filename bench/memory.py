#!/usr/bin/env python3
"""Data at four times the memory budget, beside the same data without a budget.

usage: memory.py [--keyspace NAME] [--budget MB] [--value-size BYTES] [--duration TIME]
                 [--clients N]

Three nodes, keys enough for values of four budgets (64 MB unless named, values of 1024 bytes). Each
work for so long (10s) by `kvorum bench` in keyspace `main`, which is ordered, or that one (`fast`
is leaderless): GETs and SETs, uniform and zipfian. A row has the rate, the median and p99 in ms,
the rows asked of the disk for each request (warm-up included), and the largest node: what rows take
by its own account, and its resident memory. KVORUM_BIN is the program.
"""

import argparse
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
from harness import Cluster, run, wait_for  # noqa: E402

NODES = (1, 2, 3)
TIMES = 4


def memory(cluster, node):
    text = cluster.ask(node, "INFO", "memory")
    return {name: int(number) for name, number in re.findall(r"^(\w+):(\d+)", text, re.M)}


def resident(cluster, node):
    with open(f"/proc/{cluster.pid(node)}/status", encoding="utf-8") as file:
        return int(re.search(r"^VmRSS:\s+(\d+) kB", file.read(), re.M).group(1)) << 10


def bench(cluster, words, *flags):
    load = ("--keyspace", words.keyspace, "--keys", words.keys, "--value-size", words.value_size,
            "--clients", words.clients)
    return json.loads(run("bench", "--data", cluster.data, "--json", "-", "--quiet", *load,
                          *flags).stdout)


def measure(cluster, words, name, op, distribution):
    before = {node: memory(cluster, node)["cold_row_fetches"] for node in NODES}
    out = bench(cluster, words, "--reads", "100%" if op == "get" else "0%", "--distribution",
                distribution, "--duration", words.duration)
    kind = out["reads" if op == "get" else "writes"]
    after = {node: memory(cluster, node) for node in NODES}
    fetches = sum(after[node]["cold_row_fetches"] - before[node] for node in NODES)
    rows = max(after[node]["used_memory_dataset"] for node in NODES) >> 20
    most = max(resident(cluster, node) for node in NODES) >> 20
    each = f"{fetches / max(out['requests'], 1):.2f}"
    print(f"| {name} | {op} | {distribution} | {out['per_second']:.0f} "
          f"| {kind['latency_us']['p50'] / 1000:.2f} | {kind['latency_us']['p99'] / 1000:.2f} "
          f"| {each} | {rows} | {most} |", flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--keyspace", default="main")
    parser.add_argument("--budget", type=int, default=64)
    parser.add_argument("--value-size", type=int, default=1024)
    parser.add_argument("--duration", default="10s")
    parser.add_argument("--clients", type=int, default=50)
    words = parser.parse_args()
    words.keys = TIMES * (words.budget << 20) // words.value_size
    print("| budget | work | keys drawn | a second | p50 ms | p99 ms | fetches a request "
          "| rows MB | resident MB |\n|---|---|---|---|---|---|---|---|---|")
    for name, flags in ((f"{words.budget} MB", ("--memory-budget", f"{words.budget}MB")),
                        ("none", ())):
        cluster = Cluster(3, *flags)
        try:
            cluster.leader()
            bench(cluster, words, "--fill", "--warm-up", "0s", "--requests", 1, "--pipeline", 16)
            limit = memory(cluster, 1)["memory_budget"] or sys.maxsize
            wait_for(lambda: all(memory(cluster, node)["used_memory_dataset"] <= limit
                                 for node in NODES), "rows within the budget")
            for op in ("get", "set"):
                for distribution in ("uniform", "zipfian"):
                    measure(cluster, words, name, op, distribution)
        finally:
            cluster.destroy()


if __name__ == "__main__":
    main()
