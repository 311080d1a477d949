#!/usr/bin/env python3
"""How soon it serves again, ours beside etcd and Redis, on this machine.

usage: recovery.py [failover [ROUNDS=20]] [restart [KEYS=1000000]]

failover: from kill -9 of the leader of three nodes until a write through another node is
acknowledged, ours and etcd in turn. restart: one node of three, killed by kill -9, with that many
keys of 16 bytes and values of 64: from its start until it answers a linearizable read of its own;
Redis: one server, from its start until it answers, with its RDB file, and with its append-only
file. Both if none is named. KVORUM_BIN is the program. bench/peers.py measures with it, too.
"""

import statistics
import sys
import time

from systems import Etcd, Ours, Redis, installed, wait_for

APPEND_ONLY = ("--appendonly", "yes", "--appendfsync", "everysec")


def failover(system, number):
    """Seconds without writes after the leader was killed; it is back when this returns."""
    victim = wait_for(system.leader, "a leader")
    other = victim % 3 + 1
    wait_for(lambda: system.write(other, number), "a write")
    start = time.monotonic()
    system.kill(victim)
    wait_for(lambda: system.write(other, number), "a write without the leader")
    took = time.monotonic() - start
    system.start(victim)
    wait_for(lambda: system.write(victim, number), "the node that is back")
    return took


def restart(system):
    """Seconds from the start of a node, which was killed, until it serves."""
    leader = wait_for(system.leader, "a leader")
    node = leader % 3 + 1 if len(system.nodes()) > 1 else leader
    system.kill(node)
    start = time.monotonic()
    system.start(node)
    wait_for(lambda: system.serves(node), "the node that is back", 600)
    return time.monotonic() - start


def show_failover(rounds):
    systems = [kind() for kind in [Ours, *installed([Etcd])]]
    times = {system.name: [] for system in systems}
    try:
        for number in range(rounds):
            for system in systems:
                times[system.name].append(failover(system, number))
    finally:
        for system in systems:
            system.close()
    for name, taken in times.items():
        print(f"fail-over, {name}: median {statistics.median(taken) * 1000:.0f} ms, worst "
              f"{max(taken) * 1000:.0f} ms of {rounds}", flush=True)


def show_restart(keys):
    kinds = [("kvorum", Ours)] + [("etcd", Etcd) for _ in installed([Etcd])]
    if installed([Redis]):
        kinds += [("Redis from its RDB file", lambda: Redis(replicas=0)),
                  ("Redis from its append-only file", lambda: Redis(0, APPEND_ONLY))]
    for name, kind in kinds:
        system = kind()
        try:
            system.fill(keys)
            system.save()
            print(f"restart with {keys:,} keys, {name}: {restart(system):.2f} s", flush=True)
        finally:
            system.close()


def main():
    words = sys.argv[1:] or ["failover", "restart"]
    wanted = {"failover": (show_failover, 20), "restart": (show_restart, 1_000_000)}
    while words:
        verb = words.pop(0)
        if verb not in wanted:
            raise SystemExit(__doc__)
        show, number = wanted[verb]
        show(int(words.pop(0)) if words and words[0].isdigit() else number)


if __name__ == "__main__":
    main()
