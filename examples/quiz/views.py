"""Templates: HTML files with `$names`; what is filled in is escaped unless it is Html already.

A file's first part is the page; a line `== name ==` begins a fragment that the page is made of.
"""

import html
import pathlib
import re
import string

FOLDER = pathlib.Path(__file__).with_name("templates")


class Html(str):
    """Text that is markup."""


def load():
    """{"page" or "page.fragment": template}"""
    found = {}
    for path in FOLDER.glob("*.html"):
        first, *rest = re.split(r"^== (\w+) ==\n", path.read_text("utf-8"), flags=re.M)
        found[path.stem] = string.Template(first)
        for name, text in zip(rest[::2], rest[1::2]):
            found[f"{path.stem}.{name}"] = string.Template(text.rstrip("\n"))
    return found


TEMPLATES = load()


def fill(name, /, **values):
    """The template with its names filled in; a name that is missing is a KeyError."""
    return Html(TEMPLATES[name].substitute({
        key: value if isinstance(value, Html) else html.escape(str(value))
        for key, value in values.items()
    }))


def join(parts):
    return Html("".join(parts))


def when(condition, part):
    return part if condition else Html("")
