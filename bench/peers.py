#!/usr/bin/env python3
"""Three nodes of ours beside Redis with two replicas, three of etcd and three of ZooKeeper, on this
machine, in turn, round by round; prints a table of ratios against our aims.

usage: peers.py [--rounds N] [--json FILE] [--write]
  --rounds  of each work (5)
  --json    write every figure of the run there
  --write   write the comparison of docs/benchmarks.md and docs/levels.svg from this run

A peer that is not installed is left out, and it is said how to install it. KVORUM_BIN is the
program, KVORUM_TEST_PORT the first port to try.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time

import plot
import recovery
from systems import NODES, PEERS, ROOT, Etcd, Ours, Redis, ZooKeeper, installed
from works import (KEYS, ZK_LOAD, Figures, Places, build_loads, levels, measure, shown, works,
                   zk_load)

PAGE = os.path.join(ROOT, "docs", "benchmarks.md")
PLOT = os.path.join(ROOT, "docs", "levels.svg")
MANY = 1_000_000  # keys, for memory and restarts
CLIENTS = (1, 4, 16, 64, 128)  # steps of the plot
LEVEL_ROUNDS, RESTARTS = 2, 3
BUSY = 0.5  # load average
SETTLED = 6  # seconds
WARM_UP = 3  # seconds; ZooKeeper's Java compiles what runs often


@dataclasses.dataclass
class Row:
    """A line of the table: what was found, round by round."""

    work: str
    unit: str  # "/s": more is better; else less is
    ours: list
    peer: str = ""
    theirs: list = dataclasses.field(default_factory=list)
    aim: float = None
    p50: tuple = ()  # medians in milliseconds, ours and theirs

    def ratios(self):
        """Ours : theirs, of each round."""
        return [a / b for a, b in zip(self.ours, self.theirs, strict=False)]

    def reached(self):
        if self.aim is None or not self.theirs:
            return ""
        ratio = statistics.median(self.ratios())
        return "yes" if (ratio >= self.aim if self.unit == "/s" else ratio <= self.aim) else "no"


class Run:
    def __init__(self, rounds):
        self.rounds = rounds
        self.began = time.monotonic()
        self.load_average = os.getloadavg()[0]
        self.peers = installed(PEERS)
        self.names = [peer.name for peer in self.peers]
        self.rows = []
        self.points = {}  # of the plot: (panel, level) -> [(clients, Figures)]

    def say(self, text):
        print(f"{time.monotonic() - self.began:5.0f} s  {text}", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def up(self, *kinds):
        """Systems, by name, that are gone afterwards."""
        systems = {}
        try:
            for kind in kinds:
                if kind is Ours or kind in self.peers:
                    systems[kind.name] = kind()
            yield systems
        finally:
            for system in systems.values():
                system.close()

    def go(self):
        build_loads(self.peers)
        with self.up(Ours, Etcd) as systems:
            self.measure_recovery(systems)
        with self.up(Ours, *self.peers) as systems:
            at = self.prepare(systems)
            self.measure_works(systems, at)
            for name in self.names:
                systems.pop(name).close()
            self.measure_levels(at)
        self.measure_many()
        self.say("done")

    def measure_recovery(self, systems):
        """Ours beside etcd, which is too slow to be given more keys."""
        self.say(f"{KEYS:,} keys, restarts and fail-overs")
        for system in systems.values():
            system.fill(KEYS)
        taken = {name: [recovery.restart(system) for _ in range(RESTARTS)]
                 for name, system in systems.items()}
        self.beside(f"restart with {KEYS:,} keys", "s", taken)
        taken = {name: [] for name in systems}
        for number in range(self.rounds):
            for name, system in systems.items():
                taken[name].append(recovery.failover(system, number) * 1000)
        self.beside("fail-over", "ms", taken, 0.5)

    def beside(self, work, unit, taken, aim=None):
        """A row of what ours and at most one peer took."""
        theirs = [name for name in taken if name != Ours.name]
        self.rows.append(Row(work, unit, taken[Ours.name], "".join(theirs),
                             taken[theirs[0]] if theirs else [], aim))

    def prepare(self, systems):
        """Fills and warms all of them; where they are."""
        self.say(f"{KEYS:,} keys for each")
        ours = systems[Ours.name]
        quorum = ours.create_quorum()
        ours.ready()
        for keyspace in ("main", "fast", "quorum"):
            ours.fill(KEYS, keyspace)
        at = {"quorum": str(quorum), "nodes": tuple(str(ours.port(node)) for node in NODES)}
        if Redis.name in systems:
            systems[Redis.name].fill(KEYS)
            at["redis"] = str(systems[Redis.name].port(1))
        if Etcd.name in systems:
            etcd = systems[Etcd.name]
            etcd.fill(KEYS)
            at["etcd"] = str(etcd.port(etcd.leader()))
        if ZooKeeper.name in systems:
            at["zookeeper"] = tuple(str(systems[ZooKeeper.name].port(node)) for node in NODES)
            for op in ("fill", "set", "get"):
                measure(zk_load(at["zookeeper"], op, WARM_UP))
        leader = ours.leader()
        return Places(leader=str(ours.port(leader)), follower=str(ours.port(leader % 3 + 1)),
                      http=str(ours.port(leader) + 2000), **at)

    def measure_works(self, systems, at):
        listed = works(at, self.names)
        found = {}  # by command: one run of a peer stands beside all works that it is measured for
        for number in range(1, self.rounds + 1):
            self.say(f"round {number} of {self.rounds}")
            for command in unique(listed):
                found.setdefault(tuple(command), []).append(measure(command))
        for work in listed:
            ours = found[tuple(work.ours)]
            theirs = found[tuple(work.theirs)] if work.peer else []
            unit = "/s" if work.of == "rate" else "ms"
            p50 = [statistics.median(one.p50 for one in side) for side in (ours, theirs) if side]
            self.rows.append(Row(work.name, unit, [getattr(one, work.of) for one in ours],
                                 work.peer, [getattr(one, work.of) for one in theirs], work.aim,
                                 tuple(p50) if unit == "/s" else ()))

    def measure_levels(self, at):
        self.say("levels, for the plot")
        found = {}
        for _ in range(LEVEL_ROUNDS):
            for panel, level, command in levels(at):
                for clients in CLIENTS:
                    found.setdefault((panel, level, clients), []).append(measure(command(clients)))
        for (panel, level, clients), runs in found.items():
            self.points.setdefault((panel, level), []).append((clients, Figures(
                *(statistics.median(getattr(one, name) for one in runs)
                  for name in ("rate", "p50", "p99")))))

    def measure_many(self):
        """Memory of each key, and restarts, ours and Redis'."""
        self.say(f"{MANY:,} keys, memory and restarts")
        took, resident = {}, {}
        for keyspace in ("main", "fast"):
            with self.up(Ours) as systems:
                resident[keyspace] = self.growth(systems[Ours.name], MANY, keyspace)
                if keyspace == "main":
                    took[Ours.name] = self.restarts(systems[Ours.name])
        with self.up(*([Redis] if Redis in self.peers else [])) as systems:
            theirs = [self.growth(system, MANY)[1] for system in systems.values()]
        for keyspace, what in (("main", "ordered keyspace"), ("fast", "leaderless keyspace")):
            grown = resident[keyspace]
            work = f"memory of a key (16 + 64 bytes), {what}, "
            if keyspace == "main":
                self.rows.append(Row(work + "leader", "bytes", [grown["leader"]],
                                     Redis.name if theirs else "", theirs, 1.0))
            self.rows.append(Row(work + "largest node", "bytes",
                                 [max(grown[node] for node in NODES)],
                                 Redis.name if theirs else "", theirs, 1.0))
        for what, flags in (("RDB file", ()), ("append-only file", recovery.APPEND_ONLY)):
            beside = dict(took)
            if theirs:
                redis = Redis(0, flags)
                try:
                    redis.fill(MANY)
                    redis.save()
                    beside[Redis.name] = self.restarts(redis)
                finally:
                    redis.close()
            self.beside(f"restart with {MANY:,} keys, beside Redis' {what}", "s", beside)

    @staticmethod
    def restarts(system):
        return [recovery.restart(system) for _ in range(RESTARTS)]

    @staticmethod
    def growth(system, keys, *keyspace):
        """Resident bytes of a key, by node and of the leader."""
        before = system.resident()
        system.fill(keys, *keyspace)
        after = settled(system)
        grown = {node: (after[node] - before[node]) / keys for node in after}
        return {**grown, "leader": grown[system.leader()]}


def settled(system):
    """Resident bytes once they change no more: what was only on its way is gone then."""
    last, now = {}, system.resident()
    while any(abs(now[node] - last.get(node, 0)) > now[node] // 100 for node in now):
        time.sleep(SETTLED)
        last, now = now, system.resident()
    return now


def unique(listed):
    """The commands of the works, each once, ours before or after the peer's that it is beside."""
    commands = []
    for work in listed:
        for command in (work.ours, work.theirs):
            if command and command not in commands:
                commands.append(command)
    return commands


# --- what is told of it ---------------------------------------------------------------------------


def first(pattern, text):
    found = re.search(pattern, text)
    return found[1] if found else "unknown"


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip()


def circumstances(run):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = first(r"model name\s*: (.*)", file.read())
    changed = output("git", "status", "--porcelain", "--untracked-files=no")
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": output("git", "rev-parse", "--short", "HEAD") + (" (changed)" if changed else ""),
        "cores": os.cpu_count(), "cpu": model, "kernel": platform.release(),
        "file_system": output("df", "--output=fstype", "build").splitlines()[-1],
        "load_average_before": run.load_average, "rounds": run.rounds,
        "seconds": round(time.monotonic() - run.began),
        "versions": {system.name: system.version() for system in (Ours, *run.peers)},
        "left_out": [peer.name for peer in PEERS if peer not in run.peers]}


def number(value, unit):
    text = {"/s": f"{value:,.0f}/s", "bytes": f"{value:,.0f} B", "s": f"{value:.2f} s",
            "ms": f"{value:,.0f} ms" if value >= 100 else f"{value:.2f} ms"}
    return text[unit]


def cells(row):
    """work, ours, its p50, the peer, theirs, its p50, the ratio, the aim, whether it is reached"""
    p50 = [f"{one:.2f} ms" for one in row.p50] + ["", ""]
    ratio = aim = theirs = ""
    if row.theirs:
        theirs = number(statistics.median(row.theirs), row.unit)
        ratios = row.ratios()
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})"
    if row.aim is not None:
        aim = f"{'≥' if row.unit == '/s' else '≤'} {row.aim:g}"
    return [row.work, number(statistics.median(row.ours), row.unit), p50[0], row.peer, theirs,
            p50[1] if row.theirs else "", ratio, aim, row.reached()]


HEAD = ["work", "ours", "p50", "beside", "theirs", "p50", "ours : theirs", "aim", "reached"]


def table(rows):
    """For a terminal."""
    lines = [HEAD, *map(cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
                     .rstrip() for line in lines)


def lines_of_page(run, told):
    busy = ": the machine was not idle" if told["load_average_before"] > BUSY else ""
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    yield (f"{told['date']}, commit {told['commit']}, {versions}; {told['cores']} cores "
           f"({told['cpu']}), Linux {told['kernel']}, {told['file_system']}; load average before "
           f"it {told['load_average_before']:.2f}{busy}. Rounds: {run.rounds}; "
           f"{told['seconds']} s.")
    if told["left_out"]:
        yield f"Not installed there, so left out: {', '.join(told['left_out'])}."
    yield ""
    yield f"| {' | '.join(HEAD)} |"
    yield "|---" * len(HEAD) + "|"
    for row in run.rows:
        yield f"| {' | '.join(cells(row))} |"
    yield ""
    yield "![throughput against p99 latency, by level](levels.svg)"
    yield ""
    yield ("The commands, in the order of a round (a line with a work's name drives ours, an "
           "indented one the peer):")
    yield ""
    yield "```"
    done = set()
    for work in works(Places(), run.names):
        yield f"{shown(work.ours)}   # {work.name}"
        done.add(tuple(work.ours))
        if work.peer and tuple(work.theirs) not in done:
            done.add(tuple(work.theirs))
            yield f"    {shown(work.theirs)}"
    yield "```"


def replaced(text, name, lines):
    """The text with these lines between its marks `<!-- name -->` and `<!-- end -->`."""
    begin = f"<!-- {name} -->\n"
    head, rest = text.split(begin)
    return head + begin + "\n" + "\n".join(lines) + "\n\n" + rest[rest.index("<!-- end -->"):]


def write_page(run, told):
    with open(PAGE, encoding="utf-8") as file:
        text = replaced(file.read(), "peers", lines_of_page(run, told))
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(text)
    with open(PLOT, "w", encoding="utf-8") as file:
        file.write(plot.svg(run.points))


def write_json(run, told, path):
    out = {**told, "rows": [{**dataclasses.asdict(row), "ratios": row.ratios()}
                            for row in run.rows],
           "levels": [{"op": op, "level": level, "clients": clients, **dataclasses.asdict(figures)}
                      for (op, level), points in run.points.items()
                      for clients, figures in points],
           "commands": {work.name: [shown(command) for command in (work.ours, work.theirs)
                                    if command] for work in works(Places(), run.names)}}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(out, file, indent=2)
        file.write("\n")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    run = Run(options.rounds)
    run.go()
    told = circumstances(run)
    print(table(run.rows))
    if options.json:
        write_json(run, told, options.json)
    if options.write:
        write_page(run, told)


if __name__ == "__main__":
    main()
