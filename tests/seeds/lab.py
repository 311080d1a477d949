"""What the checks of docs/older-systems.md share: rows, and a place to try things in."""

import json
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

from harness import Cluster, RespError, run, wait_for  # noqa: E402  behind its path


@dataclass
class Row:
    """A row of the page; its texts are Markdown. `missing` says why it does not work yet; then
    `check`, if there is one, shows what of it is there."""

    number: int
    feature: str
    systems: str  # those that have it, or wished for it
    command: str
    prints: str
    missing: str = ""
    check: object = None


ROWS = {}


def row(number, feature, systems, command, prints, missing=""):
    """Declares a row; the function below it shows it, and may return a few words of evidence."""
    def declare(function):
        add(Row(number, feature, systems, command, prints, missing, function))
        return function
    return declare


def add(new):
    if new.number in ROWS:
        raise ValueError(f"row {new.number} is there twice")
    ROWS[new.number] = new


def must(condition, what):
    if not condition:
        raise AssertionError(what)


@dataclass
class Played:
    """A scenario that was played as it expects."""

    folder: str
    text: str

    def read(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return file.read()

    def history(self):
        """Its operations; the line of first values is left out."""
        lines = map(json.loads, self.read("history.jsonl").splitlines())
        return [line for line in lines if "op" in line]

    def says(self, *lines):
        for line in lines:
            must(f"yes  {line}" in self.text.splitlines(), f"no line {line!r} in:\n{self.text}")
        return self


class Lab:
    """A temporary directory, and clusters that end with it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="kvorum-seeds-")
        self.clusters = []
        self.plays = 0

    def close(self):
        for cluster in self.clusters:
            cluster.destroy()
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, *words):
        """The kvorum program, which must succeed."""
        return run(*words)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, content):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return self.path(name)

    def cluster(self, nodes=3, *extra):
        """A cluster whose replicas are whole: each may answer by itself."""
        cluster = Cluster(nodes, *extra)
        self.clusters.append(cluster)
        wait_for(lambda: all(" refilling:0" in cluster.ask(node, "KV.STATUS")
                             for node in range(1, nodes + 1)), "whole replicas")
        return cluster

    def play(self, scenario, *flags):
        """Plays a file of scenarios/, or what a file would hold."""
        self.plays += 1
        if isinstance(scenario, str):
            path = os.path.join(ROOT, "scenarios", scenario)
        else:
            path = self.write(f"scenario{self.plays}.json", scenario)
        folder = self.path(f"played{self.plays}")
        done = run("run", path, "--quiet", "--out", folder, *flags, check=False)
        must(done.returncode == 0, f"exit {done.returncode}\n{done.stdout}{done.stderr}")
        return Played(folder, done.stdout)

    def judge(self, model, path, code=0, *flags):
        """kvorum check; its output."""
        done = run("check", "--model", model, *flags, path, check=False)
        must(done.returncode == code,
             f"{model}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def cli(self, cluster, node, script, *flags):
        """kvorum cli with a script; exit code, lines of stdout, lines of stderr."""
        done = run("cli", "-p", cluster.port(node), "--data", cluster.data, *flags, input=script,
                   check=False)
        return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


def refused(code, ask, *words):
    """The request gets an error with this code."""
    try:
        reply = ask(*words)
    except RespError as error:
        must(re.match(code + r"\b", str(error)), f"{words}: {error}")
        return str(error)
    raise AssertionError(f"{words}: {reply!r} instead of {code}")


def fast(cluster, node):
    """A connection in the leaderless keyspace that every cluster begins with."""
    connection = cluster.connect(node)
    connection.ask("SELECT", "fast")
    return connection


def local_rows(connection):
    """The live pairs that the node itself holds, of a leaderless keyspace."""
    return {key: rows[0][0] for key, rows in connection.ask("KV.DUMP") if rows[0][3] == "live"}
