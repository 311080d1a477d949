"""The parts of docs/ that are made: the rows of older-systems.md, the tables of api.md."""

import os
import re

import clients  # noqa: F401  declares rows, as the next four do
import fronts  # noqa: F401
import levels  # noqa: F401
import replicas  # noqa: F401
import web  # noqa: F401
from lab import ROOT, ROWS

ROWS_PAGE = os.path.join(ROOT, "docs", "older-systems.md")
API_PAGE = os.path.join(ROOT, "docs", "api.md")
ERROR = re.compile(r'KVORUM_ERROR\(k\w+, "(\w+)", (kDefinite|kUnknown),\s*"([^"]*)"')
GROUPS = {"string": "Values", "generic": "Keys", "kvorum": "kvorum's own",
          "connection": "Connections", "server": "Servers"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def replaced(text, name, lines):
    """The text with these lines between its marks `<!-- name -->` and `<!-- end -->`."""
    begin = f"<!-- {name} -->\n"
    head, rest = text.split(begin)
    tail = rest[rest.index("<!-- end -->"):]
    return head + begin + "\n" + "\n".join(lines) + "\n\n" + tail


def row_line(row):
    here = f"{row.command} → {row.prints}" if row.command else ""
    if row.missing:
        here = f"**not yet**: {row.missing}" + (f". What is there: {here}" if here else "")
    return f"| {row.number} | {row.feature} | {row.systems} | {here} |"


def rows_page():
    lines = ["| # | what | who | shown by → what it prints |", "|---|---|---|---|"]
    lines += [row_line(ROWS[number]) for number in sorted(ROWS)]
    works = sum(not row.missing for row in ROWS.values())
    lines += ["", f"{works} of {len(ROWS)} work."]
    return replaced(read(ROWS_PAGE), "rows", lines)


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2], strict=True))


def cell(text):
    return text.replace("|", "\\|")


def command_lines(ask):
    """From what the server says of itself."""
    groups = {}
    for name, flat in pairs(ask("COMMAND", "DOCS")).items():
        docs = pairs(flat)
        arguments = " ".join(pairs(one)["name"] for one in docs.get("arguments", []))
        syntax = cell(f"{name.upper()} {arguments}".strip())
        groups.setdefault(docs["group"], []).append(f"| `{syntax}` | {cell(docs['summary'])} |")
    if set(groups) != set(GROUPS):
        raise AssertionError(f"other groups of commands: {sorted(groups)}")
    lines = []
    for group, title in GROUPS.items():
        lines += ["", f"### {title}", "", "| command | what it does |", "|---|---|", *groups[group]]
    return lines[1:]


def error_lines():
    """From the table that the server is made with; codes that stand for several are one row."""
    texts = {}
    for word, outcome, text in ERROR.findall(read(os.path.join(ROOT, "src/base/errors.def"))):
        texts.setdefault((word, outcome[1:].lower()), []).append(text)
    lines = ["| code | outcome | texts |", "|---|---|---|"]
    return lines + [f"| `{word}` | {outcome} | {cell(' · '.join(all_texts))} |"
                    for (word, outcome), all_texts in texts.items()]


def api_page(ask):
    text = replaced(read(API_PAGE), "commands", command_lines(ask))
    return replaced(text, "errors", error_lines())


def write(ask):
    for path, text in ((ROWS_PAGE, rows_page()), (API_PAGE, api_page(ask))):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
