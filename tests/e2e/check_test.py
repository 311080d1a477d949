"""kvorum check from the command line: lines, exit codes, bad input, every form of file."""

import gzip
import json
import os
import re
import shutil
import tempfile
import unittest

from harness import run

LINE = re.compile(r"^(?P<file>.+): (?P<answer>ok|violation|unknown) ops=(?P<ops>\d+)"
                  r" time=(?P<time>\d+\.\d{3})( reason=(?P<reason>\w+))?"
                  r"( model=(?P<model>\S+))?$")


def operation(client, op, key, value, start, end, ok=True, **more):
    return json.dumps({"client": client, "op": op, "key": key, "value": value, "ok": ok,
                       "start_ns": start, "end_ns": end, **more}) + "\n"


GOOD = (operation(0, "put", "x", "1", 0, 10) + operation(1, "get", "x", "1", 20, 30) +
        operation(0, "put", "x", "2", 40, None, ok=None))
# A get of what an ended put had replaced.
STALE = (operation(0, "put", "x", "1", 0, 10) + operation(0, "put", "x", "2", 20, 30) +
         operation(1, "get", "x", "1", 40, 50))
# No model allows a value that nobody wrote.
MADE_UP = operation(0, "put", "x", "1", 0, 10) + operation(1, "get", "x", "9", 20, 30)


class Check(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="kvorum-check-")
        self.addCleanup(shutil.rmtree, self.dir)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return path

    def check(self, *words, code=0):
        done = run("check", *words, check=False)
        self.assertEqual(done.returncode, code, f"{done.stdout}\n{done.stderr}")
        return done

    def answers(self, done):
        return [match.groupdict() for match in map(LINE.match, done.stdout.splitlines()) if match]


class Answers(Check):
    def test_ok(self):
        path = self.write("good.jsonl", GOOD)
        done = self.check("--model", "linearizable", path)
        self.assertRegex(done.stdout, rf"^{re.escape(path)}: ok ops=3 time=\d+\.\d\d\d\n$")
        self.assertEqual(done.stderr, "")

    def test_a_violation_is_explained_and_can_be_repeated(self):
        path = self.write("stale file.jsonl", STALE)
        done = self.check("--model", "linearizable", "--initial", "y=5", path, code=1)
        first, *rest = done.stdout.splitlines()
        self.assertRegex(first, r": violation ops=3 time=\d+\.\d\d\d$")
        self.assertTrue(all(line == "" or line.startswith("  ") for line in rest), done.stdout)
        self.assertTrue(all(len(line) <= 110 for line in rest[:-1]), done.stdout)
        self.assertIn("├", done.stdout)
        repeat = re.search(r"repeat +(.*(\n {11}.*)*)", done.stdout).group(1)
        self.assertEqual(re.sub(r"\s+", " ", repeat),
                         f"kvorum check --model linearizable --initial y=5 '{path}'")

    def test_a_line_per_file_and_the_worst_code(self):
        good, stale = self.write("good.jsonl", GOOD), self.write("stale.jsonl", STALE)
        done = self.check("--model", "linearizable", good, stale, good, code=1)
        self.assertEqual([a["answer"] for a in self.answers(done)], ["ok", "violation", "ok"])
        done = self.check("--model", "linearizable", stale, os.path.join(self.dir, "none"), code=2)
        self.assertEqual([a["answer"] for a in self.answers(done)], ["violation"])
        self.assertIn("none: No such file", done.stderr)

    def test_several_models(self):
        path = self.write("stale.jsonl", STALE)
        done = self.check("--model", "linearizable,sequential", path, code=1)
        self.assertEqual([(a["model"], a["answer"]) for a in self.answers(done)],
                         [("linearizable", "violation"), ("sequential", "ok")])
        self.check("--model", "sequential", path)

    def test_all_models(self):
        done = self.check("--model", "all", self.write("stale.jsonl", STALE))
        found = {a["model"]: a["answer"] for a in self.answers(done)}
        self.assertEqual(found["linearizable"], "violation")
        self.assertEqual(found["sequential"], "ok")
        self.assertIn("\nstrongest=sequential\n", done.stdout)
        done = self.check("--model", "all", self.write("good.jsonl", GOOD))
        self.assertIn("\nstrongest=linearizable\n", done.stdout)

    def test_no_time_is_unknown(self):
        lines = "".join(operation(i % 40, "append", "x", f"{i}", i, i + 400) for i in range(40000))
        path = self.write("hard.jsonl", lines + operation(99, "get", "x", "no", 1, 50000))
        done = run("check", "--model", "linearizable", "--budget", "0s", path, check=False)
        answer = self.answers(done)[0]
        if answer["answer"] == "unknown":  # a quick refutation is as good
            self.assertEqual((done.returncode, answer["reason"]), (3, "time"))

    def test_warnings_do_not_touch_the_answer(self):
        lines = operation(0, "put", "x", "1", 0, 30) + operation(0, "put", "y", "1", 10, 20)
        done = self.check(self.write("overlap.jsonl", lines))
        self.assertEqual(len(done.stdout.splitlines()), 1)
        self.assertIn("warning", done.stderr)
        self.assertIn("client 0", done.stderr)

    def test_stats(self):
        done = self.check("--stats", self.write("good.jsonl", GOOD))
        self.assertIn("  keys=1 reads/key=1.0 never-read=0 unknown=33.3% concurrency=1\n",
                      done.stdout)


class Forms(Check):
    def test_gzip(self):
        self.check(self.write("good.gz", gzip.compress(GOOD.encode())))
        done = self.check(self.write("cut.gz", gzip.compress(GOOD.encode())[:-5]), code=2)
        self.assertIn("cut.gz: the gzip data end too early", done.stderr)

    def test_edn(self):
        events = "".join(
            f"{{:process {p}, :type :{t}, :f :{f}, :value {v}}}\n" for p, t, f, v in
            [(0, "invoke", "write", 1), (0, "ok", "write", 1), (0, "invoke", "write", 2),
             (0, "ok", "write", 2), (1, "invoke", "read", "nil"), (1, "ok", "read", 1)])
        done = self.check(self.write("stale.edn", events), code=1)
        self.assertEqual(self.answers(done)[0]["ops"], "3")

    def test_csv_files_together(self):
        a = self.write("a.csv", "7,0,put,x,1,req,1\n7,0,put,x,2,resp,1\n")
        b = self.write("b.csv", "7,0,get,x,5,req,\n7,0,get,x,6,resp,0\n")
        done = self.check("--together", "--initial", "x=0", a, b, code=1)
        self.assertIn(f"{a} {b}: violation ops=2", done.stdout)
        self.assertIn("--together", done.stdout)
        self.check("--together", "--initial", "x=0", "--clock-error", "2ms", a, b)

    def test_nothing(self):
        done = self.check(self.write("empty.jsonl", ""))
        self.assertEqual(self.answers(done)[0]["ops"], "0")

    def test_standard_input(self):
        done = run("check", "-", check=False, input=GOOD)
        self.assertRegex(done.stdout, "^-: ok ops=3 ")


class Reports(Check):
    def test_json(self):
        path = self.write("stale.jsonl", STALE)
        done = self.check("--json", "--model", "linearizable,sequential", path, code=1)
        bad, good = map(json.loads, done.stdout.splitlines())
        self.assertEqual((bad["file"], bad["model"], bad["answer"], bad["ops"]),
                         (path, "linearizable", "violation", 3))
        self.assertEqual({o["line"] for o in bad["core"]} - {1, 2, 3}, set())
        self.assertTrue(bad["sentence"])
        self.assertGreaterEqual(bad["seconds"], 0)
        self.assertEqual(good["answer"], "ok")

    def test_html(self):
        page = os.path.join(self.dir, "page.html")
        self.check("--html", page, self.write("stale.jsonl", STALE), code=1)
        with open(page, encoding="utf-8") as file:
            text = file.read()
        data = json.loads(text.split('id="data">')[1].split("</script>")[0])
        self.assertEqual((data["answer"], data["total"]), ("violation", 3))
        self.assertNotRegex(text.split('id="data">')[0], "https?://")

    def test_html_that_cannot_be_written(self):
        done = self.check("--html", self.dir, self.write("good.jsonl", GOOD), code=2)
        self.assertIn(f"{self.dir}: Is a directory", done.stderr)


class BadInput(Check):
    def one_line(self, *words):
        done = self.check(*words, code=2)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        return done.stderr

    def test_command_lines(self):
        good = self.write("good.jsonl", GOOD)
        self.assertIn("'strong' is not a model", self.one_line("--model", "strong", good))
        self.assertIn("'all' stands alone", self.one_line("--model", "all,cc", good))
        self.assertIn("'' is not a model", self.one_line("--model", "cc,", good))
        self.assertIn("'soon' is not a time", self.one_line("--budget", "soon", good))
        self.assertIn("'-1s' is not a time", self.one_line("--budget=-1s", good))
        self.assertIn("'4X' is not a size", self.one_line("--memory", "4X", good))
        self.assertIn("'x' is not KEY=VALUE", self.one_line("--initial", "x", good))
        self.assertIn("one history", self.one_line("--html", "out", good, good))
        self.assertIn("files", self.one_line())
        self.assertIn("try `kvorum check --help`", self.one_line("--nope", good))

    def test_files(self):
        for text, wanted in [
                (operation(0, "put", "x", "1", 9, 1), "ends at 1 ns, before its start at 9 ns"),
                (operation(0, "swap", "x", "1", 0, 1), "unknown operation 'swap'"),
                ('{"op":"get"}', "the field 'client' is missing"),
                ("{", "not JSON"),
                (b'{"a":"\xff"}', "not JSON"),
                ("hello", "not a history")]:
            path = self.write("bad", text)
            self.assertIn(f"{path}:1: ", self.one_line(path))
            self.assertIn(wanted, self.one_line(path))
        twice = self.write("twice", GOOD + GOOD)
        self.assertIn(f"{twice}:4: the same operation as on line 1", self.one_line(twice))
        self.assertIn("Is a directory", self.one_line(self.dir))

    def test_help(self):
        done = self.check("--help")
        self.assertIn("linearizable", done.stdout)
        self.assertIn("Exit code", done.stdout)
        self.assertTrue(all(len(line) <= 100 for line in done.stdout.splitlines()))


if __name__ == "__main__":
    unittest.main()
