"""The shell's own words with real processes: ordered and leaderless, scripts, dying nodes."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import unittest

from harness import BINARY, ClusterTest, run, wait_for

FAST = "SELECT fast\n"


class Shell:
    """`kvorum cli` reading what we type, one line at a time."""

    def __init__(self, *args):
        self.process = subprocess.Popen([BINARY, "cli", *map(str, args)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.out, self.err = [], []
        self.readers = [threading.Thread(target=self.collect, args=(stream, lines), daemon=True)
                        for stream, lines in ((self.process.stdout, self.out),
                                              (self.process.stderr, self.err))]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def collect(stream, lines):
        for line in stream:
            lines.append(line)

    def type(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answered(self, count):
        """Waits for so many lines of output; gives the last of them."""
        wait_for(lambda: len(self.out) >= count, f"line {count} of {self.out}")
        return self.out[count - 1].rstrip("\n")

    def end(self):
        self.process.stdin.close()
        code = self.process.wait(timeout=120)
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return code, [line.rstrip("\n") for line in self.out], [line.rstrip("\n")
                                                               for line in self.err]


class DroppingProxy:
    """Stands before a node. The reply to the first request with `marker` in it is lost: the node
    has done it, the client's connection ends, and nobody is served any more."""

    def __init__(self, port, marker):
        self.to, self.marker = port, marker
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        self.dropped = False
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        client, _ = self.door.accept()
        with client, socket.create_connection(("127.0.0.1", self.to)) as node:
            while data := client.recv(1 << 16):
                node.sendall(data)
                reply = node.recv(1 << 16)
                if self.marker in data:
                    self.dropped = True
                    self.door.close()
                    return
                client.sendall(reply)


class ShellTest(ClusterTest):
    def cli(self, node, script, *flags):
        """Runs a script; exit code, lines of stdout, lines of stderr."""
        done = run("cli", "-p", self.cluster.port(node), "--data", self.cluster.data, *flags,
                   input=script, check=False)
        return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()

    def settled(self, *words):
        """Until every node has this key in its own rows."""
        wait_for(lambda: all(words[0] in self.cli(node, words[1] + "show-all\n")[1]
                             for node in (1, 2, 3)), words[0])

    def has_unread_bytes(self, node):
        """Whether a client's request lies unread before the node."""
        want = f":{self.cluster.port(node):04X}"
        with open("/proc/net/tcp", encoding="ascii") as table:
            for line in table.readlines()[1:]:
                words = line.split()
                if words[1].endswith(want) and words[3] == "01" and not words[4].endswith("0" * 8):
                    return True
        return False

    def config_with(self, node, port):
        """A cluster.toml in which that node's clients are served at another port."""
        with open(os.path.join(self.cluster.data, "cluster.toml"), encoding="utf-8") as file:
            text = file.read()
        path = os.path.join(self.cluster.dir, "proxied.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(re.sub(rf"\b{self.cluster.port(node)}\b", str(port), text, count=1))
        return path


class Words(ShellTest):
    def test_all_of_them_where_there_is_one_order(self):
        code, out, err = self.cli(1, "insert k 1\ninsert k 2\nupdate k 3\nget k\nget k sequential\n"
                                     "update none 1\ndelete none\nget none\nput p 'two words' all\n"
                                     "put p 'two words' quorum\nget p\n")
        self.assertEqual(code, 1)
        self.assertEqual(out, ["OK", "OK", '"3"', '"3"', "(nil)", "OK", '"two words"'])
        self.assertEqual(len(err), 4, err)
        self.assertEqual(err[0], 'line 2: (error) REFUSED "k" exists already; use update')
        self.assertEqual(err[1], 'line 6: (error) REFUSED "none" does not exist; use insert')
        self.assertEqual(err[2], 'line 7: (error) REFUSED "none" does not exist')
        self.assertRegex(err[3], "^line 9: .*LEVEL")
        self.settled('"k" => "3"', "")
        self.assertEqual(self.cli(2, "show-all\n")[1], ['"k" => "3"', '"p" => "two words"'])
        self.assertIn('"two words"', "\n".join(self.cli(2, "dump\n")[1]))
        self.assertEqual(sum('"3"' in line for line in self.cli(2, "search k\n")[1]), 3)
        self.assertIn('"leader"', "\n".join(self.cli(2, "where k\n")[1]))
        self.assertEqual(self.cli(3, "delete k\ndelete p\nshow-all\nget k\nexit\nget k\n"),
                         (0, ["OK", "OK", "(no pairs)", "(nil)"], []))

    def test_all_of_them_where_there_is_none(self):
        checked = "OK (checked, not atomic)"
        code, out, err = self.cli(1, FAST + "insert k 1 all\ninsert k 2\nupdate k 3 all\n"
                                     "get k one\nupdate none 1\ndelete none\nput p x 9\nget p 9\n"
                                     "get p linearizable\n")
        self.assertEqual(code, 1)
        self.assertEqual(out, ["OK", checked, checked, '"3"', "OK", '"x"'])
        self.assertEqual([line.split(" (error) ")[0] for line in err],
                         ["line 3:", "line 6:", "line 7:", "line 10:"])
        self.assertIn("use update", err[0])
        self.assertIn("use insert", err[1])
        self.assertIn("LEVEL", err[3])
        self.assertEqual(self.cli(2, FAST + "show-all\n")[1], ["OK", '"k" => "3"', '"p" => "x"'])
        self.assertEqual(sum('"3"' in line for line in self.cli(3, FAST + "search k\n")[1]), 3)
        self.assertIn('"nodes"', "\n".join(self.cli(3, FAST + "where k\n")[1]))
        self.assertEqual(self.cli(3, FAST + "delete k all\nget k all\nshow-all\n"),
                         (0, ["OK", checked, "(nil)", '"p" => "x"'], []))

    def test_levels_by_number_under_both_rules(self):
        receipt = "{} k{}\nKV.RECEIPT\n"

        def asked(script, *flags):
            out = "\n".join(self.cli(1, script, *flags)[1])
            return re.search(r'"asked"\n *\d+\) "([^"]*)"', out).group(1)
        self.assertEqual(asked(FAST + receipt.format("get", " 1")), "one")
        self.assertEqual(asked(FAST + receipt.format("put", " v 9")), "all")
        rules = ("--rules", "2015")
        self.assertEqual(asked(receipt.format("get", " 1"), *rules), "linearizable")
        self.assertEqual(asked(receipt.format("get", " 2"), *rules), "sequential")
        self.assertEqual(asked(FAST + receipt.format("get", " 3"), *rules), "one")
        self.assertEqual(asked(FAST + receipt.format("put", " v 4"), *rules), "w=2,r=2")
        self.assertEqual(self.cli(1, "get k 9\n", *rules)[0], 1)
        self.assertNotEqual(self.cli(1, "get k 1\n", "--rules", "2014")[0], 0)

    def test_wrong_words_get_a_line_and_the_shell_goes_on(self):
        code, out, err = self.cli(1, "put k\nget k 5\nnosuch\nupdate\ndelay x\nbcast\n"
                                     "send 9 hi\nput k v\n")
        self.assertEqual((code, out), (1, ["OK"]))
        self.assertEqual(err[0], "line 1: (error) ERR usage: put key value [level]")
        self.assertIn("bad level '5'", err[1])
        self.assertIn("unknown command 'nosuch'", err[2])
        self.assertEqual(err[3:-1], ["help lists the commands",
                                     "line 4: (error) ERR usage: update key value [level]",
                                     "line 5: (error) ERR usage: delay milliseconds",
                                     "line 6: (error) ERR usage: bcast text"])
        self.assertIn("no node '9'", err[-1])

    def test_json_is_one_value_a_line(self):
        _, out, _ = self.cli(1, "insert k 1\ninsert k 1\nshow-all\nput k\ndelay 1\nget none\n"
                                "send 1 hi\n", "--json")
        values = [json.loads(line) for line in out]
        self.assertEqual(values[0], "OK")
        self.assertIn("use update", values[1]["error"])
        self.assertEqual(values[2], {"k": "1"})
        self.assertIn("usage", values[3]["error"])
        self.assertEqual(values[4:6], ["OK", None])
        self.assertEqual(values[6][0][0], 1)


class Scripts(ShellTest):
    def test_a_file_with_a_delay_runs_in_order_and_gives_the_exit_code(self):
        path = os.path.join(self.cluster.dir, "script")

        def run_file(text):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return self.cli(1, "", "--file", path)
        self.assertEqual(run_file("put x 1\n# a comment\ndelay 10\nget x\n"),
                         (0, ["OK", "OK", '"1"'], []))
        self.assertEqual(run_file("insert x 1\nget x\n")[:2], (1, ['"1"']))
        missing = self.cli(1, "", "--file", path + ".none")
        self.assertEqual(missing[0], 2)
        self.assertIn("No such file", missing[2][0])

    def test_lines_typed_during_a_delay_run_after_it(self):
        shell = Shell("-p", self.cluster.port(1))
        for line in ("put x 1", "delay 100", "put x 2", "get x"):
            shell.type(line)
        self.assertEqual(shell.end(), (0, ["OK", "OK", "OK", '"2"'], []))

    def test_one_command_on_the_command_line(self):
        def cli(*words):
            return run("cli", "-p", self.cluster.port(2), *words, check=False)
        self.assertEqual(cli("insert", "k", "v").stdout, "OK\n")
        self.assertEqual(cli("insert", "k", "v").returncode, 1)
        self.assertEqual(cli("get", "k", "linearizable").stdout, '"v"\n')


class Texts(ShellTest):
    def log(self, node):
        with open(os.path.join(self.cluster.data, f"node{node}.log"), encoding="utf-8") as file:
            return file.read()

    def test_they_arrive_in_the_logs_with_the_times_of_both_ends(self):
        wait_for(lambda: self.cli(1, "bcast ready\n")[1][2].startswith("node 3: sent"), "the links")
        code, out, _ = self.cli(1, "send 2 hello you\n")
        self.assertEqual(code, 0)
        times = re.fullmatch(r"node 2: sent \S+Z, arrived \S+Z \(-?\d+ ms\)", out[0])
        self.assertTrue(times, out)
        wait_for(lambda: "message from node 1: hello you (sent at " in self.log(2), "the line")
        self.assertNotIn("hello you", self.log(3))
        self.assertEqual([line[:7] for line in self.cli(3, "bcast all of you\n")[1]],
                         ["node 1:", "node 2:", "node 3:"])
        for node in (1, 2, 3):
            wait_for(lambda at=node: "message from node 3: all of you" in self.log(at), "the line")

    def test_they_are_subject_to_faults_on_the_links(self):
        self.assertEqual(self.cluster.ask(1, "KV.FAULT", "hold", "1", "2", "oneway"), "OK")
        self.assertEqual(self.cli(1, "send 2 held\n")[1], ["node 2: silent"])
        self.assertNotIn("held", self.log(2))
        self.assertEqual(self.cluster.ask(1, "KV.FAULT", "release", "1", "2", "oneway"), "OK")
        wait_for(lambda: "message from node 1: held (sent at " in self.log(2), "what was held")
        self.cluster.kill(3)
        wait_for(lambda: self.cli(1, "send 3 x\n")[1] == ["node 3: down"], "node 3 to be missed")


class FailOver(ShellTest):
    def shell(self, node, *flags):
        return Shell("-p", self.cluster.port(node), *(flags or ("--data", self.cluster.data)))

    def back(self, node):
        self.cluster.restart(node)
        wait_for(lambda: self.cluster.ask(node, "SET", "k", "v") == "OK", "the node to serve")

    def test_between_commands_it_moves_to_the_next_id_and_wraps_round(self):
        self.cluster.ask(1, "SET", "k", "v")
        for node, following in ((2, 3), (3, 1)):
            with self.subTest(node=node):
                shell = self.shell(node)
                shell.type("get k")
                self.assertEqual(shell.answered(1), '"v"')
                self.cluster.kill(node)
                shell.type("get k")
                shell.type("append k w")
                shell.type("get k")
                code, out, err = shell.end()
                self.assertEqual((code, out), (0, ['"v"', '"v"', "(integer) 2", '"vw"']))
                self.assertEqual(err, [f"(node {node} is gone; on node {following} now)"])
                self.back(node)

    def test_a_command_that_a_dying_node_never_answers_is_repeated_on_the_next(self):
        self.cluster.ask(2, "SET", "k", "v")
        for command, reply in (("get k", '"v"'), ("append n w", "(integer) 1"),
                               ("update n x", "OK")):
            with self.subTest(command=command):
                shell = self.shell(2)
                shell.type("put other 1")  # and has its request id
                self.assertEqual(shell.answered(1), "OK")
                self.cluster.signal(2, signal.SIGSTOP)
                shell.type(command)
                wait_for(lambda: self.has_unread_bytes(2), "the request at the node")
                self.cluster.signal(2, signal.SIGKILL)
                self.assertEqual(shell.end(), (
                    0, ["OK", reply],
                    ["(node 2 is gone; on node 3 now; the command was repeated)"]))
                self.back(2)
        self.assertEqual(self.cluster.ask(1, "GET", "n"), "x")

    def test_a_write_whose_reply_was_lost_is_not_done_twice(self):
        for command, reply, key, value in (("append a x", "(integer) 1", "a", "x"),
                                           ("incr i", "(integer) 1", "i", "1"),
                                           ("insert n x", "OK", "n", "x"),
                                           ("KV.AT quorum incr q", "(integer) 1", "q", "1")):
            with self.subTest(command=command):
                proxy = DroppingProxy(self.cluster.port(2), f"\r\n{key}\r\n".encode())
                shell = Shell("-p", proxy.port, "--config", self.config_with(2, proxy.port))
                shell.type(command)
                self.assertEqual(shell.end(), (
                    0, [reply], ["(node 2 is gone; on node 3 now; the command was repeated)"]))
                self.assertTrue(proxy.dropped)
                self.assertEqual(self.cluster.ask(1, "GET", key), value)

    def test_a_leaderless_write_whose_reply_was_lost_is_unknown_and_not_repeated(self):
        for command in ("put u x", "delete u"):
            with self.subTest(command=command):
                marker = b"\r\nSET\r\n" if command.startswith("put") else b"\r\nDEL\r\n"
                proxy = DroppingProxy(self.cluster.port(2), marker)
                shell = Shell("-p", proxy.port, "--config", self.config_with(2, proxy.port))
                for line in ("SELECT fast", "KV.LEVEL all", command, "get u"):
                    shell.type(line)
                code, out, err = shell.end()
                self.assertEqual(code, 1)
                self.assertEqual(out, ["OK", "OK", '"x"' if command == "put u x" else "(nil)"])
                self.assertRegex(err[0], "^line 3: .*UNKNOWN.*it may have taken effect")
                self.assertEqual(err[1:], ["(node 2 is gone; on node 3 now)"])

    def test_a_leaderless_write_that_was_not_sent_goes_to_the_next(self):
        shell = self.shell(2)
        shell.type("SELECT fast")
        shell.type("put k 1 all")
        self.assertEqual(shell.answered(2), "OK")
        self.cluster.kill(2)
        shell.type("put k 2 quorum")
        shell.type("get k quorum")
        self.assertEqual(shell.end(), (0, ["OK", "OK", "OK", '"2"'],
                                       ["(node 2 is gone; on node 3 now)"]))

    def test_the_leaders_death_under_a_load_of_increments(self):
        leader = self.cluster.leader()
        shell = self.shell(leader)
        for _ in range(50):
            shell.type("incr n")
        self.assertEqual(shell.answered(1), "(integer) 1")
        self.cluster.signal(leader, signal.SIGKILL)
        for _ in range(50):
            shell.type("incr n")
        _, out, err = shell.end()
        unknown = sum("UNKNOWN" in line for line in err)
        refused = sum("(error)" in line for line in err) - unknown
        value = int(self.cluster.ask(leader % 3 + 1, "GET", "n"))
        self.assertGreaterEqual(value, len(out))
        self.assertLessEqual(value, 100 - refused)
        self.assertEqual(len(set(out)), len(out), "an increment was answered twice")


if __name__ == "__main__":
    unittest.main(verbosity=2)
