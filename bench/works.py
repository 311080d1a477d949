"""What bench/peers.py measures: works, each as the command that drives our nodes and the command
that drives a peer, and how to read what those print."""

import dataclasses
import json
import os
import re
import subprocess

from systems import BINARY, ROOT, Etcd, Redis, ZooKeeper

BUILT = os.path.join(ROOT, "build", "bench-load")
ETCD_LOAD, ZK_LOAD = os.path.join(BUILT, "etcd_load"), os.path.join(BUILT, "zk_load")
HTTP_LOAD = os.path.join(ROOT, "bench", "http_load.lua")
KEYS = 100_000
EVENTUAL = "W = R = 1"  # our own, as a peer
SECONDS = 1  # of a run, but for redis-benchmark's
# redis-benchmark counts requests instead.
REQUESTS = {1: 100_000, 16: 800_000}


def build_loads(peers):
    """Our load programs for those of the peers that need one."""
    os.makedirs(BUILT, exist_ok=True)
    if Etcd in peers:
        subprocess.run(["go", "build", "-o", ETCD_LOAD, os.path.join(ROOT, "bench/etcd_load.go")],
                       env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode"},
                       check=True)
    if ZooKeeper in peers:
        subprocess.run(["cc", "-O2", "-DTHREADED", "-o", ZK_LOAD,
                        os.path.join(ROOT, "bench/zk_load.c"), "-lzookeeper_mt"], check=True)


@dataclasses.dataclass(frozen=True)
class Places:
    """Ports: of our nodes, and of the peers that are there; or words for them, to be shown."""

    leader: str = "LEADER"
    follower: str = "FOLLOWER"
    nodes: tuple = ("NODE1", "NODE2", "NODE3")
    http: str = "LEADER_HTTP"
    quorum: str = "QUORUM"  # the number of the keyspace
    redis: str = "REDIS"
    etcd: str = "ETCD"
    zookeeper: tuple = ("ZK1", "ZK2", "ZK3")


@dataclasses.dataclass(frozen=True)
class Work:
    name: str
    ours: list
    peer: str = ""  # its name; empty: only ours is shown
    theirs: list = None
    aim: float = None  # of the ratio, ours : theirs
    of: str = "rate"  # or p50: what the ratio is of


@dataclasses.dataclass(frozen=True)
class Figures:
    rate: float  # operations a second
    p50: float  # milliseconds
    p99: float


def host(port):
    return f"127.0.0.1:{port}"


def kvorum_bench(ports, op, clients, *flags):
    return [BINARY, "bench", *map(host, ports), "--reads", "100%" if op == "get" else "0%",
            "--clients", str(clients), *flags, "--warm-up", "200ms", "--duration", f"{SECONDS}s",
            "--quiet", "--json", "-"]


def redis_benchmark(port, op, depth, *flags):
    return ["redis-benchmark", "-p", str(port), "-t", op, "-c", "50", "-P", str(depth), "-d", "64",
            "-r", str(KEYS), "-n", str(REQUESTS[depth]), *flags, "--csv"]


def etcd_load(port, op, clients):
    return [ETCD_LOAD, "-ep", host(port), "-op", op, "-c", str(clients), "-s", str(SECONDS)]


def zk_load(ports, op, seconds=SECONDS):
    return [ZK_LOAD, op, "64", str(seconds), *map(host, ports)]


def wrk(port, system, op, query=""):
    return ["wrk", "-t1", "-c64", f"-d{SECONDS}s", "--latency", "-s", HTTP_LOAD,
            f"http://{host(port)}", "--", system, op, query]


def against_etcd(at):
    def work(name, op, clients, theirs, **aim):
        return Work(name, kvorum_bench([at.leader], op, clients), Etcd.name,
                    etcd_load(at.etcd, theirs, clients), **aim)

    yield work("linearizable SET, 64 clients", "set", 64, "put", aim=8)
    yield work("linearizable GET, 64 clients", "get", 64, "lget", aim=10)
    yield work("linearizable SET, 1 client: p50", "set", 1, "put", aim=0.4, of="p50")
    yield work("linearizable GET, 1 client: p50", "get", 1, "lget", of="p50")


def against_zookeeper(at):
    yield Work("sequential GET, 64 clients over 3 nodes",
               kvorum_bench(at.nodes, "get", 64, "--read-level", "sequential"),
               ZooKeeper.name, zk_load(at.zookeeper, "get"), aim=6)
    yield Work("linearizable SET, 64 clients over 3 nodes", kvorum_bench(at.nodes, "set", 64),
               ZooKeeper.name, zk_load(at.zookeeper, "set"))


def against_redis(at):
    aims = {("set", 1): (None, 1.0), ("get", 1): (None, 1.0),
            ("set", 16): (0.85, 1.5), ("get", 16): (None, 1.3)}
    for (op, depth), (linearizable, eventual) in aims.items():
        theirs = redis_benchmark(at.redis, op, depth)
        how = f"{op.upper()}, 50 connections, P={depth}"
        yield Work(f"linearizable {how}", redis_benchmark(at.leader, op, depth), Redis.name,
                   theirs, linearizable)
        one = redis_benchmark(at.nodes[0], op, depth, "--dbnum", "1")
        yield Work(f"eventual {how}", one, Redis.name, theirs, eventual)
        # What a quorum costs, beside our own W = R = 1 that ran just before.
        yield Work(f"quorum (W = R = 2) {how}",
                   redis_benchmark(at.nodes[0], op, depth, "--dbnum", str(at.quorum)), EVENTUAL,
                   one, 0.5)


def alone(at):
    """What no peer of these has, or what shows where ours is asked."""
    for op in ("set", "get"):
        how = f"linearizable {op.upper()}, 64 clients, "
        yield Work(how + "through a follower", kvorum_bench([at.follower], op, 64))
    yield Work("linearizable GET, 64 clients over 3 nodes", kvorum_bench(at.nodes, "get", 64))


def over_http(at):
    def work(name, op, query, theirs):
        return Work(f"HTTP, {name} {op.upper()}, 64 connections",
                    wrk(at.http, "kvorum", op, query), Etcd.name, wrk(at.etcd, "etcd", op, theirs))

    eventual = "?keyspace=fast&level=one"
    yield work("linearizable", "put", "", "")
    yield work("linearizable", "get", "", "")
    yield work("eventual", "put", eventual, "")
    yield work("eventual", "get", eventual, ',"serializable":true')


def works(at, names):
    """All works whose peer is among these names, or ourselves, in the order of the table."""
    kinds = (against_etcd, against_zookeeper, against_redis, over_http, alone)
    return [work for kind in kinds for work in kind(at) if work.peer in ("", EVENTUAL, *names)]


def levels(at):
    """For the plot: (panel, level, command of so many clients)."""
    def at_all_nodes(op, *flags):
        return lambda clients: kvorum_bench(at.nodes, op, clients, *flags)

    for op in ("get", "set"):
        yield op, "linearizable", at_all_nodes(op)
        if op == "get":
            yield op, "sequential", at_all_nodes(op, "--read-level", "sequential")
        yield op, "quorum", at_all_nodes(op, "--keyspace", "quorum")
        yield op, "eventual", at_all_nodes(op, "--keyspace", "fast")


def read_kvorum(text):
    out = json.loads(text)
    failed = [out[kind]["failed"] for kind in ("reads", "writes")]
    if any(failed) or out["ended"] != "done":
        raise SystemExit(f"peers.py: requests failed: {out['errors']}")
    latency = out["reads" if out["reads"]["ok"] else "writes"]["latency_us"]
    return Figures(out["per_second"], latency["p50"] / 1000, latency["p99"] / 1000)


def read_redis_benchmark(text):
    cells = text.splitlines()[-1].replace('"', "").split(",")
    return Figures(float(cells[1]), float(cells[4]), float(cells[6]))


def read_wrk(text):
    def latency(percent):
        number, unit = re.search(percent + r"%\s+([\d.]+)(us|ms|s)", text).groups()
        return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]

    return Figures(float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), latency("50"),
                   latency("99"))


def read_load(text):
    return Figures(*map(float, text.split()))


READERS = {os.path.basename(BINARY): read_kvorum, "redis-benchmark": read_redis_benchmark,
           "wrk": read_wrk, "etcd_load": read_load, "zk_load": read_load}


def measure(command):
    """Runs a load; what it found."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"peers.py: {shown(command)}: exit {done.returncode}: {done.stderr}")
    return READERS[os.path.basename(command[0])](done.stdout)


def shown(command):
    """As one would type it, programs and files by their bare names."""
    words = [os.path.basename(word) if os.path.isabs(word) else word for word in command]
    return " ".join(f"'{word}'" if re.search(r"[?&\"]", word) else word for word in words if word)
