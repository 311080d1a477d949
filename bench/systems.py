"""The systems that are measured beside each other: three processes of each on this machine, in
fresh folders under build/. Importing it lets Python find tests/e2e/harness.py."""

import base64
import contextlib
import http.client
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
os.environ.setdefault("KVORUM_BIN", os.path.join(ROOT, "build", "release", "src", "app", "kvorum"))
from harness import BINARY, Cluster, Connection, free_base_port, wait_for  # noqa: E402

# All systems' disks are the one that the checkout is on: /tmp may be in memory.
tempfile.tempdir = os.path.join(ROOT, "build")

NODES = (1, 2, 3)
VALUE = "x" * 64
TXN = 100  # keys that etcd is sent at once


def key(number):
    """As redis-benchmark and `kvorum bench` have them, too: 16 bytes."""
    return f"key:{number:012d}"


def resident_bytes(pid):
    """Of a process, now."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) * 1024


def fill_resp(port, keys, *flags):
    """Each key once, through one node."""
    subprocess.run([BINARY, "bench", f"127.0.0.1:{port}", "--fill", "--keys", str(keys),
                    "--pipeline", "16", "--warm-up", "0s", "--requests", "1", "--quiet", *flags],
                   stdout=subprocess.DEVNULL, check=True)


class Ours:
    name = "kvorum"
    packages = ""

    def __init__(self):
        self.cluster = Cluster(3)
        self.leader = self.cluster.leader
        self.port = self.cluster.port

    @staticmethod
    def version():
        words = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True)
        return words.stdout.split()[-1]

    def ready(self):
        """Waits until every replica of the leaderless keyspaces counts for reads."""
        wait_for(lambda: all(" refilling:0" in self.cluster.ask(node, "KV.STATUS")
                             for node in NODES), "whole replicas")

    def create_quorum(self):
        """A leaderless keyspace with W = R = 2; its number."""
        self.cluster.ask(1, "KV.KEYSPACE", "CREATE", "quorum", "leaderless", "w=2", "r=2")
        words = self.cluster.ask(1, "KV.KEYSPACE", "DESCRIBE", "quorum")
        return dict(zip(words[::2], words[1::2], strict=True))["id"]

    def resident(self):
        """Of each node."""
        return {node: resident_bytes(self.cluster.pid(node)) for node in NODES}

    def write(self, node, value):
        return self.cluster.ask(node, "SET", "failover", value) == "OK"

    def kill(self, node):
        """Returns when the process is gone, and its ports are free."""
        process = os.pidfd_open(self.cluster.pid(node))
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            select.select([process], [], [])
        finally:
            os.close(process)

    def start(self, node):
        self.cluster.restart(node)

    def serves(self, node):
        return len(self.cluster.ask(node, "GET", key(0)) or "") == len(VALUE)

    def fill(self, keys, keyspace="main"):
        fill_resp(self.port(self.leader()), keys, "--keyspace", keyspace)

        def whole(node):
            with self.cluster.connect(node) as connection:
                connection.ask("SELECT", keyspace)
                return connection.ask("DBSIZE") == keys

        wait_for(lambda: all(whole(node) for node in NODES), "all keys everywhere")

    @staticmethod
    def nodes():
        return NODES

    def save(self):
        """Whatever it needs to be told so that it keeps its rows; ours and etcd: nothing."""

    def close(self):
        self.cluster.destroy()


class Processes:
    """Of one peer: numbered from 1, each with a folder and an output file of its own."""

    name = ""

    def __init__(self):
        self.base = free_base_port()
        self.dir = tempfile.mkdtemp(prefix=f"{self.name}-")
        self.members = {}

    def port(self, node):
        return self.base + node - 1

    def folder(self, node):
        folder = os.path.join(self.dir, str(node))
        os.makedirs(folder, exist_ok=True)
        return folder

    def command(self, node):
        raise NotImplementedError

    def start(self, node):
        with open(os.path.join(self.folder(node), "output"), "ab") as output:
            self.members[node] = subprocess.Popen(self.command(node), stdout=output, stderr=output)

    def kill(self, node):
        self.members[node].kill()
        self.members[node].wait()

    def nodes(self):
        return tuple(self.members)

    def save(self):
        """As Ours.save()."""

    def close(self):
        for node in self.members:
            self.kill(node)
        shutil.rmtree(self.dir, ignore_errors=True)


class Redis(Processes):
    """A primary, 1, which answers from memory, and asynchronous replicas."""

    name = "Redis"
    packages = "redis-server redis-tools"

    def __init__(self, replicas=2, flags=("--appendonly", "no")):
        super().__init__()
        self.flags = ["--save", "", "--repl-diskless-sync-delay", "0", *flags]
        for node in range(1, replicas + 2):
            self.start(node)
        wait_for(lambda: self.ask("INFO", "replication").count("state=online") == replicas,
                 "Redis and its replicas")

    @staticmethod
    def missing():
        return not (shutil.which("redis-server") and shutil.which("redis-benchmark"))

    @staticmethod
    def version():
        words = subprocess.run(["redis-server", "--version"], capture_output=True, text=True,
                               check=True)
        return re.search(r"v=(\S+)", words.stdout)[1]

    def command(self, node):
        primary = ["--replicaof", "127.0.0.1", str(self.port(1))] if node > 1 else []
        return ["redis-server", "--port", str(self.port(node)), "--dir", self.folder(node),
                *self.flags, *primary]

    def ask(self, *words):
        with Connection(self.port(1)) as connection:
            return connection.ask(*words)

    def resident(self):
        return {1: int(re.search(r"used_memory_rss:(\d+)", self.ask("INFO", "memory"))[1])}

    def serves(self, _):
        return len(self.ask("GET", key(0)) or "") == len(VALUE)

    def fill(self, keys):
        fill_resp(self.port(1), keys, "--redis")

    def save(self):
        if "yes" not in self.flags:  # else it appends
            self.ask("SAVE")

    @staticmethod
    def leader():
        return 1


class Etcd(Processes):
    """Three members, asked through their HTTP gateway."""

    name = "etcd"
    packages = "etcd-server golang-go golang-etcd-server-dev"

    def __init__(self):
        super().__init__()
        for node in NODES:
            self.start(node)
        wait_for(self.leader, "etcd's leader")

    @staticmethod
    def missing():
        return not (shutil.which("etcd") and shutil.which("go")
                    and os.path.isdir("/usr/share/gocode/src/go.etcd.io/etcd"))

    @staticmethod
    def version():
        words = subprocess.run(["etcd", "--version"], capture_output=True, text=True, check=True)
        return re.search(r"etcd Version: (\S+)", words.stdout)[1]

    def command(self, node):
        def url(number, offset):
            return f"http://127.0.0.1:{self.port(number) + offset}"

        every = ",".join(f"e{number}={url(number, 1000)}" for number in NODES)
        return ["etcd", "--name", f"e{node}", "--data-dir", os.path.join(self.folder(node), "data"),
                "--listen-client-urls", url(node, 0), "--advertise-client-urls", url(node, 0),
                "--listen-peer-urls", url(node, 1000),
                "--initial-advertise-peer-urls", url(node, 1000),
                "--initial-cluster", every, "--initial-cluster-state", "new"]

    def ask(self, node, path, timeout=5.0, **body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port(node), timeout=timeout)
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
        for node in NODES:
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

    def serves(self, node):
        name = base64.b64encode(key(0).encode()).decode()
        return (self.ask(node, "/v3/kv/range", key=name) or {}).get("count") == "1"

    def fill(self, keys):
        for first in range(0, keys, TXN):
            puts = [{"request_put": self.pair(key(number), VALUE)}
                    for number in range(first, min(first + TXN, keys))]
            if self.ask(1, "/v3/kv/txn", success=puts) is None:
                raise SystemExit("etcd refused a transaction")


class ZooKeeper(Processes):
    """Three servers."""

    name = "ZooKeeper"
    packages = "zookeeper libzookeeper-mt-dev"
    jar = "/usr/share/java/zookeeper.jar"

    def __init__(self):
        super().__init__()
        for node in NODES:
            with open(os.path.join(self.folder(node), "myid"), "w", encoding="utf-8") as file:
                file.write(f"{node}\n")
            with open(self.settings(node), "w", encoding="utf-8") as file:
                file.write(self.text_of_settings(node))
            self.start(node)
        wait_for(lambda: all("Mode:" in self.status(node) for node in NODES), "ZooKeeper's leader")

    @classmethod
    def missing(cls):
        return not (shutil.which("java") and os.path.exists(cls.jar)
                    and os.path.exists("/usr/include/zookeeper/zookeeper.h"))

    @staticmethod
    def version():
        words = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "zookeeper"],
                               capture_output=True, text=True, check=True)
        return words.stdout.partition("-")[0]

    def settings(self, node):
        return os.path.join(self.folder(node), "zoo.cfg")

    def text_of_settings(self, node):
        lines = ["tickTime=2000", "initLimit=10", "syncLimit=5", "maxClientCnxns=0",
                 "admin.enableServer=false", "4lw.commands.whitelist=stat",
                 f"dataDir={self.folder(node)}", f"clientPort={self.port(node)}"]
        lines += [f"server.{number}=127.0.0.1:{self.port(number) + 1000}:{self.port(number) + 2000}"
                  for number in NODES]
        return "\n".join(lines) + "\n"

    def command(self, node):
        return ["java", "-Xmx1g", "-cp", self.jar,
                "org.apache.zookeeper.server.quorum.QuorumPeerMain", self.settings(node)]

    def status(self, node):
        with Connection(self.port(node)) as connection:
            connection.send_raw(b"stat")
            return connection.file.read().decode()


PEERS = (Redis, Etcd, ZooKeeper)


def installed(peers):
    """Those of them that can be measured; of the others it is said how they could be."""
    there = [peer for peer in peers if not peer.missing()]
    for peer in peers:
        if peer not in there:
            print(f"{peer.name} is left out: apt-get install --no-install-recommends "
                  f"{peer.packages}", flush=True)
    return there
