#!/usr/bin/env python3
"""A flame graph of one node at work: where its processor time goes, as an SVG. Widths are shares of
the samples; what calls is below what is called (Brendan Gregg, The Flame Graph, CACM 2016).

usage: flame.py [--pipeline N] [--follower] [--seconds S] WORK FILE

WORK as in budget.py: set, get, eventual-set, eventual-get, quorum-set, quorum-get. The node that is
asked is drawn, or one of the others. Needs linux-perf and its right to record. KVORUM_BIN is the
program.
"""

import argparse
import html
import re
import subprocess
import tempfile

import budget

WIDTH, ROW, TOP = 1200, 17, 44
LEAST = 0.004  # share of what is drawn
# Of what is ours, RocksDB's, the kernel's and the libraries'.
COLOURS = {"kvorum": "#3d8fd1", "rocksdb": "#d9822b", "kernel": "#8a8f98", "other": "#2fa36b"}
STYLE = """<style>
text { font: 11px system-ui, sans-serif; fill: #fff } .title { font-size: 14px; font-weight: 600 }
.title, .key { fill: #333 } rect { stroke: #fff; stroke-width: 0.5 }
@media (prefers-color-scheme: dark) { .title, .key { fill: #ddd } rect { stroke: #222 } }
</style>"""


class Frame:
    """A function where it was called from."""

    def __init__(self, name="", kind="other"):
        self.name = name
        self.kind = kind
        self.samples = 0
        self.called = {}

    def enter(self, name, kind):
        frame = self.called.setdefault(name, Frame(name, kind))
        frame.samples += 1
        return frame


def shortened(symbol):
    """Without arguments, templates' arguments and offsets."""
    name = symbol.split("+0x")[0].replace("(anonymous namespace)::", "")
    while "<" in name and (fewer := re.sub(r"<[^<>]*>", "", name)) != name:
        name = fewer
    return re.sub(r"\(.*", "", name).replace("kvorum::", "")


def kind_of(address, symbol):
    if address.startswith("ffff"):
        return "kernel"
    return next((kind for kind in ("rocksdb", "kvorum") if f"{kind}::" in symbol), "other")


def folded(script, pid):
    """The stacks of perf script's output, one in another."""
    root = Frame("all")
    for sample in script.split("\n\n"):
        lines = sample.strip().splitlines()
        head = re.match(r"(.*\S)\s+(\d+)\s*$", lines[0]) if lines else None
        if not head:
            continue
        comm, tid = head.group(1), int(head.group(2))
        thread = comm if comm.startswith("rocksdb") else \
            "reactor" if tid == pid else "disk threads"
        root.samples += 1
        at = root.enter(thread, "other")
        for line in reversed(lines[1:]):
            address, _, symbol = line.strip().partition(" ")
            if symbol and "[unknown]" not in symbol and "boost::asio" not in symbol:
                at = at.enter(shortened(symbol), kind_of(address, symbol))
    return root


def depth(frame, least):
    return 1 + max((depth(one, least) for one in frame.called.values() if one.samples >= least),
                   default=0)


def drawn(frame, x, level, scale, bottom, least):
    width = frame.samples * scale
    y = bottom - level * ROW
    share = f"{100 * width / WIDTH:.1f} %"
    yield (f'<g><title>{html.escape(frame.name)}: {share}</title><rect x="{x:.1f}" y="{y}" '
           f'width="{width:.1f}" height="{ROW - 1}" fill="{COLOURS[frame.kind]}"/>')
    room = int(width / 6.2)
    if room > 3:
        name = frame.name if len(frame.name) <= room else frame.name[:room - 1] + "…"
        yield f'<text x="{x + 3:.1f}" y="{y + 12}">{html.escape(name)}</text>'
    yield "</g>"
    for one in sorted(frame.called.values(), key=lambda other: -other.samples):
        if one.samples >= least:
            yield from drawn(one, x, level + 1, scale, bottom, least)
        x += one.samples * scale


def svg(root, title):
    least = root.samples * LEAST
    height = TOP + depth(root, least) * ROW + 8
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
           f'width="{WIDTH}" height="{height}">', STYLE,
           f'<text class="title" x="4" y="18">{html.escape(title)}</text>']
    x = 4
    for kind, colour in COLOURS.items():
        out.append(f'<rect x="{x}" y="26" width="12" height="12" fill="{colour}"/>'
                   f'<text class="key" x="{x + 17}" y="36">{kind}</text>')
        x += 90
    out += drawn(root, 0, 0, WIDTH / root.samples, height - ROW - 4, least)
    return "\n".join([*out, "</svg>"]) + "\n"


def recorded(cluster, words, keyspaces):
    """perf script's output of the node, and its process."""
    level, _, op = words.work.rpartition("-")
    asked = cluster.leader() if not level else 1
    keyspace = keyspaces[level]
    subprocess.run(budget.load(cluster, asked, keyspace, "set", 16, 100_000), capture_output=True,
                   check=True)
    pid = cluster.pid(next(node for node in budget.NODES if (node != asked) == words.follower))
    load = subprocess.Popen(budget.load(cluster, asked, keyspace, op, words.pipeline, 1 << 30),
                            stdout=subprocess.DEVNULL)
    try:
        with tempfile.NamedTemporaryFile() as data:
            subprocess.run(["perf", "record", "-q", "-F", "499", "-e", "cpu-clock", "--call-graph",
                            "dwarf,16384", "-o", data.name, "-p", str(pid), "--", "sleep",
                            str(words.seconds)], check=True)
            script = subprocess.run(["perf", "script", "-i", data.name, "-F", "comm,tid,ip,sym"],
                                    capture_output=True, text=True, errors="replace", check=True)
    finally:
        load.kill()
        load.wait()
    return script.stdout, pid


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--pipeline", type=int, default=1)
    parser.add_argument("--follower", action="store_true")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("work", choices=budget.WORKS)
    parser.add_argument("file")
    words = parser.parse_args()
    with budget.cluster_of_three() as (cluster, keyspaces):
        script, pid = recorded(cluster, words, keyspaces)
    who = "another node" if words.follower else "the node that is asked"
    title = f"{words.work}, pipeline {words.pipeline}: {who}"
    with open(words.file, "w", encoding="utf-8") as file:
        file.write(svg(folded(script, pid), title))


if __name__ == "__main__":
    main()
