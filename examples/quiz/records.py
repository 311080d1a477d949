"""The quiz as keys and values, under the keys that the older site had:

    question:<id>              {"text": ..., "right": <id of an option>}
    option:<question>:<id>     the option's text
    user:<id>                  {"name": ...}
    answer:<user>:<question>   <id of an option>
    quiz:filled                a store is filled with sample questions once, ever

There are no transactions over several keys, and none are needed: which option is right is part of
the question's own value, so that two at once can't both be right; one who answers again overwrites
one key; and the score is counted from the answers each time it is shown.
"""

import itertools
import json
import pathlib
import re
import time
import unicodedata
import uuid
from dataclasses import dataclass

ID = r"[0-9A-Za-z-]{1,64}"
MAX_QUESTION, MAX_OPTION, MAX_NAME = 300, 120, 40  # characters
MIN_OPTIONS, MAX_OPTIONS = 2, 8
SAMPLES = pathlib.Path(__file__).with_name("questions.json")


class BadInput(Exception):
    """What a user sent can't be taken; the text says why."""


@dataclass(frozen=True)
class Question:
    id: str
    text: str
    right: str


@dataclass(frozen=True)
class Option:
    id: str
    text: str


@dataclass(frozen=True)
class User:
    id: str
    name: str


_count = itertools.count()


def new_id():
    """Sorts by time, and within a millisecond in the order of the calls, so that lists have what
    is new at their end; unique whichever node it is made at."""
    return f"{time.time_ns() // 1_000_000:012x}-{next(_count):08x}-{uuid.uuid4().hex}"


def by_age(ids):
    """The sample questions have short ids and come first."""
    return sorted(ids, key=lambda id: (len(id), id))


def tidy(text):
    """On one line, without control characters."""
    words = " ".join(text.split())
    return "".join(c for c in words if unicodedata.category(c) not in ("Cc", "Cs"))


def checked(text, limit, what):
    text = tidy(text)
    if not text:
        raise BadInput(f"{what} is empty.")
    if len(text) > limit:
        raise BadInput(f"{what} is too long: {len(text)} characters, and at most {limit} fit.")
    return text


def fields(text):
    """Of a value that should be a JSON object. Others may write into the store, too."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"text": text, "name": text}


def last_part(key):
    return key.rsplit(":", 1)[-1]


class Quiz:
    """The quiz as one node tells it. `written` counts what was written before something failed."""

    def __init__(self, node):
        self.node = node
        self.written = 0

    def put(self, key, value):
        self.node.put(key, value if isinstance(value, str) else json.dumps(value))
        self.written += 1

    def delete(self, key):
        self.node.delete(key)
        self.written += 1

    def under(self, prefix, parts):
        """{id or ids: value} of the keys with that many ids behind the prefix, oldest first."""
        found = {}
        for key, value in self.node.prefix(prefix).items():
            match = re.fullmatch(re.escape(prefix) + rf":({ID})" * parts, key)
            if match:
                found[match.groups() if parts > 1 else match.group(1)] = value
        return found

    # --- questions ---

    @staticmethod
    def question_of(id, value):
        found = fields(value)
        return Question(id, str(found.get("text", "")), str(found.get("right", "")))

    def questions(self):
        found = self.under("question", 1)
        return [self.question_of(id, found[id]) for id in by_age(found)]

    def question(self, id):
        value = self.node.get(f"question:{id}")
        return None if value is None else self.question_of(id, value)

    def options(self, question):
        found = self.under(f"option:{question}", 1)
        return [Option(id, found[id]) for id in by_age(found)]

    def put_question(self, question):
        self.put(f"question:{question.id}", {"text": question.text, "right": question.right})

    def put_option(self, question, option):
        self.put(f"option:{question}:{option.id}", option.text)

    def delete_option(self, question, option):
        self.delete(f"option:{question}:{option}")

    def delete_question(self, id):
        """The question first: without it, nobody gets to see what is left if the rest fails."""
        options = self.options(id)
        self.delete(f"question:{id}")
        for option in options:
            self.delete_option(id, option.id)

    # --- users and their answers ---

    def users(self):
        found = self.under("user", 1)
        return [User(id, str(fields(found[id]).get("name", ""))) for id in by_age(found)]

    def user_named(self, name):
        """That user, made if there is none. Two nodes that have not heard of one another may each
        make one; then both stay, as two people of the same name do."""
        name = checked(name, MAX_NAME, "The name")
        for user in self.users():
            if user.name.casefold() == name.casefold():
                return user
        user = User(new_id(), name)
        self.put(f"user:{user.id}", {"name": user.name})
        return user

    def answers(self):
        """{(user, question): option}"""
        return self.under("answer", 2)

    def answer(self, user, question):
        return self.node.get(f"answer:{user}:{question}")

    def put_answer(self, user, question, option):
        self.put(f"answer:{user}:{question}", option)

    # --- samples ---

    def fill(self):
        """Puts the sample questions into a store that is new. The ids are fixed: two sites that do
        it at once write the same."""
        if self.node.get("quiz:filled") is not None:
            return
        if not self.node.prefix("question"):
            for number, sample in enumerate(json.loads(SAMPLES.read_text("utf-8")), 1):
                for at, text in enumerate(sample["options"]):
                    self.put_option(number, Option(str(at), text))
                self.put_question(Question(str(number), sample["text"], str(sample["right"])))
        self.put("quiz:filled", "yes")
