"""Real kvorum processes for tests: a RESP client, a cluster in a temporary directory, waiting."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

# Where Debian puts what tools/packages.txt installs; another Python may come first.
sys.path.append("/usr/lib/python3/dist-packages")

BINARY = os.environ.get("KVORUM_BIN", "build/release/src/app/kvorum")
DEADLINE = 60.0  # generous: a condition that holds ends the wait at once


class RespError(Exception):
    """An error reply."""


class Connection:
    """A blocking RESP2 client: RespError for error replies, OSError when the connection breaks."""

    def __init__(self, port, timeout=15.0):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")

    def close(self):
        self.file.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send_raw(self, data):
        self.sock.sendall(data)

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("connection closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RespError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            return self.file.read(size + 2)[:-2].decode("utf-8", "surrogateescape")
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        raise OSError(f"not RESP: {line!r}")

    def send(self, *args):
        self.send_raw(encode(*args))

    def ask(self, *args):
        self.send(*args)
        reply = self.read()
        if isinstance(reply, RespError):
            raise reply
        return reply


def encode(*args):
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = arg if isinstance(arg, bytes) else str(arg).encode("utf-8", "surrogateescape")
        out.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(out)


def wait_for(condition, what, deadline=DEADLINE):
    """Polls until condition() is truthy, returns it; OSError and RespError count as "not yet"."""
    end = time.monotonic() + deadline
    last = None
    while time.monotonic() < end:
        try:
            value = condition()
            if value:
                return value
        except (OSError, RespError) as error:
            last = error
        threading.Event().wait(0.02)
    raise AssertionError(f"gave up waiting for {what} (last error: {last})")


_next_base = itertools.count(int(os.environ.get("KVORUM_TEST_PORT", "17001")), 10)


def free_base_port(nodes=3):
    """A base port whose ports for clients and peers are all free. Threads may ask, too."""
    while True:
        base = next(_next_base)
        try:
            for offset in range(0, 5000, 1000):
                for i in range(nodes):
                    with socket.socket() as probe:
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                        probe.bind(("127.0.0.1", base + offset + i))
            return base
        except OSError:
            continue


def run(*args, check=True, **kwargs):
    """Runs the kvorum program; returns the finished process with text output."""
    done = subprocess.run([BINARY, *map(str, args)], capture_output=True, text=True, timeout=120,
                          **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f"kvorum {args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


class Cluster:
    """`kvorum cluster start` in a temporary directory."""

    def __init__(self, nodes=3, *extra):
        self.nodes = nodes
        self.dir = tempfile.mkdtemp(prefix="kvorum-test-")
        self.data = os.path.join(self.dir, "data")
        self.base = free_base_port(nodes)
        self.start(*extra)

    def start(self, *extra):
        run("cluster", "start", "--nodes", self.nodes, "--base-port", self.base,
            "--data", self.data, "--detach", *extra)

    def port(self, node):
        return self.base + node - 1

    def connect(self, node, timeout=15.0):
        return Connection(self.port(node), timeout)

    def ask(self, node, *args):
        with self.connect(node) as connection:
            return connection.ask(*args)

    def status(self, node):
        """First line of KV.STATUS as a dictionary."""
        line = self.ask(node, "KV.STATUS").splitlines()[0]
        return dict(word.split(":", 1) for word in line.split() if ":" in word)

    def leader(self, among=None):
        def find():
            for node in among or range(1, self.nodes + 1):
                try:
                    if self.status(node).get("role") == "leader":
                        return node
                except (OSError, RespError):
                    pass
            return None
        return wait_for(find, "a leader")

    def pid(self, node):
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/cmdline", "rb") as file:
                        words = file.read().decode().split("\0")
                except OSError:
                    continue
                if "server" in words[:2] and os.path.join(self.data, f"node{node}") in words:
                    return int(name)
        return None

    def signal(self, node, number):
        os.kill(self.pid(node), number)

    def kill(self, node):
        run("cluster", "kill", node, "--hard", "--data", self.data)

    def restart(self, node):
        run("cluster", "restart", node, "--data", self.data)

    def stop(self):
        for node in range(1, self.nodes + 1):
            pid = self.pid(node)
            if pid:
                os.kill(pid, signal.SIGCONT)
        run("cluster", "stop", "--data", self.data, check=False)
        for node in range(1, self.nodes + 1):
            pid = self.pid(node)
            if pid:
                os.kill(pid, signal.SIGKILL)

    def destroy(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class ClusterTest(unittest.TestCase):
    """A test case with a cluster of its own."""

    nodes = 3
    extra = ()

    def setUp(self):
        self.cluster = Cluster(self.nodes, *self.extra)
        self.addCleanup(self.cluster.destroy)
