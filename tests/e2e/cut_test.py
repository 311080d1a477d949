"""A follower cut off at its peer links, which run through relays that the test can cut."""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

from harness import BINARY, Connection, RespError, encode, free_base_port, wait_for


class Relay:
    """Passes TCP bytes on to 127.0.0.1:target until it is cut; healed, it takes new connections."""

    def __init__(self, target):
        self.target, self.open, self.pairs = target, True, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                if not self.open:
                    raise OSError("cut")
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            self.pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def pump(source, sink):
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
        except OSError:
            pass
        for side in (source, sink):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            side.close()

    def cut(self):
        self.open = False
        for pair in self.pairs:
            for side in pair:
                try:
                    side.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs.clear()

    def close(self):
        self.listener.close()
        self.cut()


class CutOff(unittest.TestCase):
    """Node 3's links to and from the others are relayed; nodes 1 and 2 see each other directly."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="kvorum-test-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.base = free_base_port()
        peer_port = {node: self.base + 1000 + node - 1 for node in (1, 2, 3)}
        self.relays = {node: Relay(peer_port[node]) for node in (1, 2, 3)}
        self.processes = []
        for node in (1, 2, 3):
            seen = {other: self.relays[other].port if 3 in (node, other) and other != node
                    else peer_port[other] for other in (1, 2, 3)}
            self.processes.append(self.start(node, seen))
        self.addCleanup(self.stop)
        wait_for(lambda: all(self.ask(node, "GET", "k") is None for node in (1, 2, 3)), "service")

    def start(self, node, peer_ports):
        config = os.path.join(self.dir, f"cluster{node}.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write('cluster = "00000000c0ffee00"\n')
            for other, port in peer_ports.items():
                file.write(f'\n[[node]]\nid = {other}\nhost = "127.0.0.1"\n'
                           f"resp_port = {self.base + other - 1}\npeer_port = {port}\n"
                           f"http_port = {self.base + 2000 + other - 1}\n")
        with open(os.path.join(self.dir, f"node{node}.log"), "w", encoding="utf-8") as log:
            return subprocess.Popen([BINARY, "server", "--node", str(node), "--config", config,
                                     "--data", os.path.join(self.dir, f"node{node}"), "--init"],
                                    stdout=log, stderr=log)

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()
        for relay in self.relays.values():
            relay.close()

    def ask(self, node, *args):
        with Connection(self.base + node - 1) as connection:
            return connection.ask(*args)

    def test_it_serves_prefix_meanwhile_and_catches_up_after(self):
        self.ask(1, "SET", "k", "before")
        wait_for(lambda: self.ask(3, "KV.AT", "prefix", "GET", "k") == "before", "node 3")
        for relay in self.relays.values():
            relay.cut()
        wait_for(lambda: self.ask(1, "SET", "k", "after") == "OK", "the other two to serve")
        with Connection(self.base) as connection:
            for start in range(0, 200_000, 2000):
                connection.send_raw(b"".join(
                    encode("SET", f"key:{i}", "x" * 64) for i in range(start, start + 2000)))
                for _ in range(2000):
                    self.assertEqual(connection.read(), "OK")
        self.assertEqual(self.ask(3, "KV.AT", "prefix", "GET", "k"), "before")
        with self.assertRaisesRegex(RespError, "^NOLEADER"):
            self.ask(3, "GET", "k")
        for relay in self.relays.values():
            relay.open = True
        want = self.ask(1, "KV.DIGEST")
        wait_for(lambda: self.ask(3, "KV.AT", "prefix", "KV.DIGEST") == want, "equal digests")
        self.assertEqual(self.ask(3, "DBSIZE"), 200_001)


if __name__ == "__main__":
    unittest.main(verbosity=2)
