"""kvorum run: the scenarios of the repository, files of older systems, bad input, interruptions."""

import concurrent.futures
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from harness import BINARY, DEADLINE, free_base_port, run, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
SCENARIOS = sorted(glob.glob(os.path.join(HERE, "..", "..", "scenarios", "*.json")))
# Nearly all of a run is waiting; more at a time would disturb each other's elections.
AT_ONCE = 3
FILES = ("log.txt", "history.jsonl", "verdict.txt", "latency.txt", "report.html")
ORDERED = ("linearizable", "sequential", "prefix", "causal", "session", "linearizability")
PUT = {"requests": [{"type": "put", "key": "a", "value": 1}]}


def servers_of(folder):
    """The processes of the servers whose data are in this folder."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "server" in words[:2] and any(word.startswith(folder + "/") for word in words):
            found.append(int(name))
    return found


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


class Run(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="kvorum-run-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.addCleanup(self.end_servers)
        self.out = os.path.join(self.dir, "out")

    def end_servers(self):
        for pid in servers_of(self.dir):
            os.kill(pid, signal.SIGKILL)

    def write(self, name, content):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return path

    def play(self, content, *flags, code=0):
        path = self.write("scenario.json", content)
        done = run("run", path, "--quiet", "--out", self.out, *flags, check=False)
        self.assertEqual(done.returncode, code, f"{done.stdout}\n{done.stderr}")
        self.assertEqual(servers_of(self.dir), [])
        return done

    def check_folder(self, folder, scenario):
        nodes = scenario.get("nodes") or scenario.get("num_servers") or 3
        there = set(os.listdir(folder))
        wanted = {*FILES, *(f"output_log{node}.txt" for node in range(1, nodes + 1))}
        self.assertEqual(wanted - there, set())
        for name in FILES:
            self.assertTrue(read(folder, name).strip(), name)
        level = scenario.get("level") or scenario.get("consistency_level") or "linearizable"
        orders = [name for name in there if re.fullmatch(r"order_\d+\.txt", name)]
        if level in ORDERED:
            self.assertEqual(len(orders), nodes)
            self.assertEqual(len({read(folder, name) for name in orders}), 1, "orders differ")
        else:
            self.assertEqual(orders, [])

    def check_verdict(self, folder):
        """What the verdict says of models, the judge says of the history in the folder."""
        models = re.findall(r"^yes  (\S+) (holds|is violated)", read(folder, "verdict.txt"),
                            re.MULTILINE)
        self.assertTrue(models)
        for model, outcome in models:
            done = run("check", "--model", model, os.path.join(folder, "history.jsonl"),
                       check=False)
            self.assertEqual(done.returncode, 0 if outcome == "holds" else 1, done.stdout)


class Scenarios(Run):
    def test_each_of_the_repository_ends_as_it_expects(self):
        def play(path):
            out = os.path.join(self.dir, os.path.basename(path)[:-len(".json")])
            return out, run("run", path, "--quiet", "--out", out, check=False)
        self.assertTrue(SCENARIOS)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            played = list(pool.map(play, SCENARIOS))
        for path, (out, done) in zip(SCENARIOS, played, strict=True):
            with self.subTest(scenario=os.path.basename(path)):
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertEqual(done.stderr, "")
                self.assertIn("\nyes  ", done.stdout)
                self.assertNotRegex(done.stdout, r"(?m)^(NO|\?)  ")
                self.check_folder(out, json.loads(read(path)))
                self.check_verdict(out)
        self.assertEqual(servers_of(self.dir), [])

    def test_what_was_expected_and_is_not_so_is_named(self):
        get = {"type": "get", "key": "a"}
        base = {"clients": [{"requests": [*PUT["requests"], get]}], "until_quiet": True}
        for expect, line in (({"final": {"a": 2}}, "NO   in the end a = 2: node 3 holds 1"),
                             ({"violates": "linearizable"},
                              "NO   linearizable is violated: it holds"),
                             ({"once": [{"client0": "a=7"}]}, "NO   once: client 0 read a = 7")):
            with self.subTest(expect=expect):
                done = self.play({**base, "expect": expect}, code=1)
                self.assertIn(line, done.stdout.splitlines())
        self.play({**base, "expect": {"final": {"a": 1}}})

    def test_repetitions_and_their_seed(self):
        load = {"clients": 2, "operations": 5, "keys": "a-c"}
        done = self.play({"workload": load, "repeat": 2}, "--seed", 7, "--repeat", 3)
        self.assertIn("3 of 3 plays as expected", done.stdout)
        self.assertIn("seed 9;", done.stdout)  # of the last, whose files are kept
        self.assertEqual(len(read(self.out, "history.jsonl").splitlines()), 10)


def older(level, writes, words=("type", "set", "get"), spelling="consistency_level"):
    """A file of 2024's form: a client per server, which sets one key and then gets another."""
    kind, put, get = words
    base = free_base_port(len(writes))
    ports = {str(i): [0, base + 1000 + i, base + i] for i in range(len(writes))}
    clients = [{"client_number": i, "server_number": i,
                "requests": [{kind: put, "key": key, "value": value}, {kind: "sleep"},
                             {kind: get, "key": wanted}]}
               for i, (key, value, wanted) in enumerate(writes)]
    return {"num_servers": len(writes), spelling: level, "port_number": ports, "clients": clients}


THREE = (("a", 10, "a"), ("b", 20, "a"), ("a", 30, "b"))


class OlderFiles(Run):
    def test_all_levels_and_both_spellings(self):
        for level, model, writes, words in (
                ("linearizability", "linearizable", THREE, ("type", "set", "get")),
                ("sequential", "sequential", THREE, ("request_type", "write", "read")),
                ("eventual", "convergence", THREE, ("type", "set", "get")),
                ("linearizability", "linearizable", (("a", 10, "b"), ("b", 20, "a")),
                 ("request_type", "write", "get")),
                ("sequential", "sequential", (*THREE, ("a", 20, "a")), ("type", "set", "get")),
                ("eventual", "convergence", tuple(("a", 100 * i, "a") for i in (1, 2, 3, 4)),
                 ("type", "set", "get"))):
            with self.subTest(level=level, servers=len(writes), words=words):
                scenario = older(level, writes, words)
                done = self.play(scenario)
                self.assertRegex(done.stdout, rf"(?m)^yes  {model} holds$")
                self.check_folder(self.out, scenario)
                self.check_verdict(self.out)
                log = read(self.out, "log.txt")
                for kind in ("connected", "request", "reply", "slept", "finished"):
                    self.assertEqual(len(re.findall(rf"client \d+ +{kind} ", log)),
                                     len(writes) * (2 if kind in ("request", "reply") else 1))
                config = read(self.out, "cluster", "cluster.toml")
                for ports in scenario["port_number"].values():
                    self.assertIn(f"resp_port = {ports[2]}\n", config)

    def test_keys_begin_as_zero(self):
        scenario = older("linearizability", THREE)
        for client in scenario["clients"]:
            client["requests"] = [{"type": "get", "key": "b"}]
        self.play(scenario)
        self.assertEqual(len(re.findall('"op":"get","key":"b","value":"0"',
                                        read(self.out, "history.jsonl"))), 3)

    def test_a_list_of_servers_gives_ports_and_delays(self):
        base = free_base_port(4)
        servers = "".join(f"{i + 1} 127.0.0.1 {base + i}\n" for i in range(4))
        links = self.write("config", "20 40\n" + servers)  # seconds there, milliseconds here
        self.play(older("linearizability", THREE), "--links", links, "--unit", "ms")
        self.assertIn(f"resp_port = {base + 3}\n", read(self.out, "cluster", "cluster.toml"))
        # Each waits for a majority, which is a message there and one back.
        self.assertEqual(self.least_latencies(), 6)

    def least_latencies(self):
        """Counts the answers of all logs, none of which came before a round trip."""
        asked, answered = {}, 0
        line = re.compile(r"(\d+),(\d+),(get|put),(\w+),(\d+),(req|resp),(\d*)")
        for node in range(1, 5):
            for text in read(self.out, f"output_log{node}.txt").splitlines():
                _, client, op, key, ms, side, value = line.fullmatch(text).groups()
                self.assertEqual(bool(value), side == "resp" or op == "put", text)
                if side == "req":
                    asked[client] = (op, key, int(ms))
                    continue
                self.assertEqual(asked[client][:2], (op, key))
                self.assertGreaterEqual(int(ms) - asked[client][2], 2 * 20 - 1)  # whole ms
                answered += 1
        return answered

    def test_a_matrix_of_mean_delays(self):
        base = free_base_port(3)
        links = self.write("links.json", {
            "addresses": [f"127.0.0.1:{base}", ["127.0.0.1", base + 1], "127.0.0.1"],
            "delays": [[0, 10, 2.5], [10, 0, 5], [2.5, 5, 0]]})
        self.play(older("linearizability", THREE), "--links", links)
        self.assertIn(f"resp_port = {base + 1}\n", read(self.out, "cluster", "cluster.toml"))

    def test_bad_files_of_links(self):
        for text in ("1\n", "2 1\n1 h 7001\n", "{}", '{"addresses": ["a"], "delays": [[1, 2]]}'):
            with self.subTest(text=text):
                links = self.write("links", text)
                done = self.play(older("eventual", THREE), "--links", links, code=2)
                self.assertRegex(done.stderr, rf"^kvorum: {links}: .*\n$")


class BadInput(Run):
    def refused(self, content, *flags):
        done = self.play(content, *flags, code=2)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_files(self):
        for content, why in (
                ("{", r"line 1, column 2: "),
                ("[]", "must be an object"),
                ({"nodez": 3, "clients": [PUT]}, "nodez: unknown field; did you mean 'nodes'"),
                ({"clients": [{"requests": [{"type": "gett", "key": "a"}]}]},
                 r"clients\[0\].requests\[0\].type: 'gett' is no request; did you mean 'get'"),
                ({"level": "w=4,r=1", "clients": [PUT]}, "level: .*3 replicas"),
                ({"level": "eventual", "w": 4, "clients": [PUT]}, "w: 4 is more than the 3"),
                ({"level": "stron", "clients": [PUT]}, "'stron' is no level"),
                ({"clients": [{"node": 9, **PUT}]}, "node 9 is not in the cluster of 3"),
                ({"nodes": 3}, "neither clients nor a workload")):
            with self.subTest(content=content):
                self.assertRegex(self.refused(content), r"^kvorum: .*scenario\.json: .*" + why)
                self.assertFalse(os.path.exists(self.out))

    def test_a_file_that_is_not_there(self):
        done = run("run", os.path.join(self.dir, "none.json"), check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, "^kvorum: .*none.json: No such file or directory\n$")

    def test_a_folder_that_is_not_a_runs_stays_as_it_is(self):
        os.makedirs(os.path.join(self.out, "photos"))
        kept = self.write(os.path.join("out", "letter.txt"), "dear")
        verdict = self.write(os.path.join("out", "verdict.txt"), "guilty")
        self.assertRegex(self.refused({"clients": [PUT]}), "which no run left there")
        self.assertEqual((read(kept), read(verdict)), ("dear", "guilty"))
        self.assertTrue(os.path.isdir(os.path.join(self.out, "photos")))

    def test_a_file_is_no_folder(self):
        kept = self.write("out", "")
        self.assertRegex(self.refused({"clients": [PUT]}), "Not a directory")
        self.assertTrue(os.path.isfile(kept))

    def test_a_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as door:
            port = door.getsockname()[1]
            done = self.play({"nodes": 2, "ports": [0, port], "clients": [PUT]}, code=1)
        self.assertEqual(done.stderr, f"kvorum: port {port} is in use\n")
        self.play({"nodes": 2, "ports": [0, port], "clients": [PUT]})  # into the same folder


class Interrupted(Run):
    SLEEPS = {"clients": [{"requests": [PUT["requests"][0], {"type": "sleep", "ms": 3_600_000}]}]}
    # Slow links make clients patient, and nobody answers.
    WAITS = {"delays": [{"ms": 2000}], "clients": [{"requests": [
        *({"type": "fault", "do": "pause", "node": node} for node in (1, 2, 3)),
        *PUT["requests"]]}]}

    def begin(self, content, until):
        path = self.write("scenario.json", content)
        process = subprocess.Popen([BINARY, "run", path, "--out", self.out], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        for line in process.stdout:
            if re.search(until, line):
                return process
        raise AssertionError(process.stderr.read())

    def test_by_ctrl_c(self):
        for content, until in ((self.SLEEPS, "slept"), (self.WAITS, "request")):
            with self.subTest(until=until):
                process = self.begin(content, until)
                self.assertEqual(len(servers_of(self.dir)), 3)
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(timeout=DEADLINE), 1)
                self.assertEqual(process.stderr.read(), "kvorum: interrupted\n")
                self.assertEqual(servers_of(self.dir), [])
        self.play({"clients": [PUT]})  # into the same folder

    def test_before_the_cluster_serves(self):
        process = self.begin(self.SLEEPS, "nodes")
        wait_for(lambda: servers_of(self.dir), "a server")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=DEADLINE), 1)
        self.assertEqual(servers_of(self.dir), [])

    def test_servers_die_with_a_run_that_is_killed(self):
        frozen = {"clients": [{"requests": [{"type": "fault", "do": "pause", "node": 2},
                                            *self.SLEEPS["clients"][0]["requests"]]}]}
        process = self.begin(frozen, "slept")
        self.assertEqual(len(servers_of(self.dir)), 3)
        process.kill()
        process.wait()
        wait_for(lambda: not servers_of(self.dir), "the servers to end, the frozen one too")


if __name__ == "__main__":
    unittest.main(verbosity=2)
