#!/usr/bin/env python3
"""How soon it serves again, ours beside etcd and Redis, on this machine.

usage: recovery.py [failover [ROUNDS=20]] [restart [KEYS=1000000]]

failover: from kill -9 of the leader of three nodes until a write through another node is
acknowledged. restart: one node of three, killed by kill -9, with that many keys of 16 bytes and
values of 64: from its start until it answers a linearizable read of its own; Redis: one server,
from its start until it answers, with its RDB file, and with its append-only file. Both if none is
named. Needs etcd and redis-server; KVORUM_BIN is the program.
"""

import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
from harness import Cluster, Connection, encode, wait_for  # noqa: E402

ETCD, REDIS = 7801, 7901
VALUE = "x" * 64
PIPELINE, TXN = 1000, 100  # keys sent at once


def key(number):
    return f"key:{number:012d}"


class Ours:
    name = "kvorum"

    def __init__(self):
        self.cluster = Cluster(3)
        self.leader = self.cluster.leader

    def write(self, node, value):
        return self.cluster.ask(node, "SET", "failover", value) == "OK"

    def kill(self, node):
        self.cluster.signal(node, signal.SIGKILL)

    def start(self, node):
        self.cluster.restart(node)

    def serves(self, node):
        return self.cluster.ask(node, "GET", key(0)) == VALUE

    def fill(self, keys):
        with self.cluster.connect(self.leader()) as connection:
            fill_resp(connection, keys)
        wait_for(lambda: all(self.cluster.ask(node, "DBSIZE") == keys for node in (1, 2, 3)),
                 "all keys everywhere")

    def close(self):
        self.cluster.destroy()


class Etcd:
    """Three members, asked through their HTTP gateway."""

    name = "etcd"

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="kvorum-etcd-")
        self.members = {}
        for node in (1, 2, 3):
            self.start(node)
        wait_for(self.leader, "etcd's leader")

    def start(self, node):
        def url(number, peer):
            return f"http://127.0.0.1:{ETCD + number + (10 if peer else 0)}"

        folder = os.path.join(self.dir, str(node))
        every = ",".join(f"e{number}={url(number, True)}" for number in (1, 2, 3))
        with open(folder + ".log", "ab") as log:
            self.members[node] = subprocess.Popen(
                ["etcd", "--name", f"e{node}", "--data-dir", folder,
                 "--listen-client-urls", url(node, False), "--advertise-client-urls",
                 url(node, False), "--listen-peer-urls", url(node, True),
                 "--initial-advertise-peer-urls", url(node, True), "--initial-cluster", every,
                 "--initial-cluster-state", "new"], stdout=log, stderr=log)

    def ask(self, node, path, timeout=5.0, **body):
        connection = http.client.HTTPConnection("127.0.0.1", ETCD + node, timeout=timeout)
        try:
            connection.request("POST", path, json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
            return json.loads(text) if answer.status == 200 else None
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def leader(self):
        for node in (1, 2, 3):
            with contextlib.suppress(OSError):
                status = self.ask(node, "/v3/maintenance/status")
                if status and status.get("leader") == status["header"]["member_id"]:
                    return node
        return None

    @staticmethod
    def pair(name, value):
        return {"key": base64.b64encode(name.encode()).decode(),
                "value": base64.b64encode(value.encode()).decode()}

    def write(self, node, value):
        # A follower may keep a request for its lost leader: so ask again rather than wait for it.
        return self.ask(node, "/v3/kv/put", 0.2, **self.pair("failover", str(value))) is not None

    def kill(self, node):
        self.members[node].kill()
        self.members[node].wait()

    def serves(self, node):
        name = base64.b64encode(key(0).encode()).decode()
        return (self.ask(node, "/v3/kv/range", key=name) or {}).get("count") == "1"

    def fill(self, keys):
        for first in range(0, keys, TXN):
            puts = [{"request_put": self.pair(key(number), VALUE)}
                    for number in range(first, min(first + TXN, keys))]
            if self.ask(1, "/v3/kv/txn", success=puts) is None:
                raise SystemExit("etcd refused a transaction")

    def close(self):
        for member in self.members.values():
            member.kill()
            member.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def fill_resp(connection, keys):
    for first in range(0, keys, PIPELINE):
        last = min(first + PIPELINE, keys)
        connection.send_raw(b"".join(encode("SET", key(number), VALUE)
                                     for number in range(first, last)))
        for _ in range(first, last):
            if connection.read() != "OK":
                raise SystemExit("a SET was refused")


def failover(system, rounds):
    times = []
    for number in range(rounds):
        victim = wait_for(system.leader, "a leader")
        other = victim % 3 + 1
        wait_for(lambda: system.write(other, number), "a write")
        start = time.monotonic()
        system.kill(victim)
        wait_for(lambda: system.write(other, number), "a write without the leader")
        times.append(time.monotonic() - start)
        system.start(victim)
        wait_for(lambda: system.write(victim, number), "the node that is back")
    print(f"fail-over, {system.name}: median {statistics.median(times) * 1000:.0f} ms, worst "
          f"{max(times) * 1000:.0f} ms of {rounds}", flush=True)


def restart(system, keys):
    system.fill(keys)
    node = wait_for(system.leader, "a leader") % 3 + 1
    system.kill(node)
    start = time.monotonic()
    system.start(node)
    wait_for(lambda: system.serves(node), "the node that is back", 600)
    print(f"restart with {keys:,} keys, {system.name}: {time.monotonic() - start:.2f} s",
          flush=True)


def restart_redis(keys, flags, what):
    folder = tempfile.mkdtemp(prefix="kvorum-redis-")
    command = ["redis-server", "--port", str(REDIS), "--dir", folder, *flags]

    def begin():
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def ask(*words):
        with Connection(REDIS) as connection:
            return connection.ask(*words)

    server = begin()
    try:
        wait_for(lambda: ask("PING") == "PONG", "Redis")
        with Connection(REDIS) as connection:
            fill_resp(connection, keys)
            if "--appendonly" not in flags:
                connection.ask("SAVE")
        server.kill()
        server.wait()
        start = time.monotonic()
        server = begin()
        wait_for(lambda: ask("GET", key(0)) == VALUE, "Redis", 600)
        print(f"restart with {keys:,} keys, Redis from its {what}: "
              f"{time.monotonic() - start:.2f} s", flush=True)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    words = sys.argv[1:] or ["failover", "restart"]
    wanted = {"failover": 20, "restart": 1_000_000}
    asked = {}
    while words:
        verb = words.pop(0)
        if verb not in wanted:
            raise SystemExit(__doc__)
        asked[verb] = int(words.pop(0)) if words and words[0].isdigit() else wanted[verb]
    for kind in (Ours, Etcd):
        for verb, number in asked.items():
            system = kind()
            try:
                (failover if verb == "failover" else restart)(system, number)
            finally:
                system.close()
    if "restart" in asked:
        restart_redis(asked["restart"], ["--save", ""], "RDB file")
        restart_redis(asked["restart"], ["--save", "", "--appendonly", "yes", "--appendfsync",
                                         "everysec"], "append-only file")


if __name__ == "__main__":
    main()
