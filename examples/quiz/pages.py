"""The pages: each takes a visit and gives a Reply. What a node fails to do is a NodeError."""

import collections
import json
import re
import urllib.parse
from dataclasses import dataclass, field

from node import Node, states
from records import (ID, MAX_OPTION, MAX_OPTIONS, MAX_QUESTION, MIN_OPTIONS, BadInput, Option,
                     Question, User, checked, new_id, tidy)
from views import Html, fill, join, when

FACTS = {"node": ["node", "version", "role", "leader"],
         "leaderless": ["rows", "tombstones", "conflicts", "hints", "read-repairs"]}
NEW_ROWS = {"new": 4, "edit": 2}  # blank options offered by each form
BACK = re.compile(rf"/|/users|/scores|/next|/question/{ID}(/edit)?")


@dataclass
class Reply:
    title: str = ""
    body: Html = Html("")
    status: int = 200
    location: str = ""
    cookies: dict = field(default_factory=dict)
    error: str = ""  # shown above the body


@dataclass
class Visit:
    """One request: where the site keeps things, who asks, and what was sent."""

    nodes: list
    node: Node
    quiz: object
    user: User | None
    form: dict
    query: dict

    def sent(self, name):
        return self.form.get(name, "")


def go(location, note="", **cookies):
    if note:
        cookies["note"] = note
    return Reply(status=303, location=location, cookies=cookies)


def back_to(path, otherwise):
    """Only to pages of ours: a link must not lead elsewhere by way of this site."""
    return path if BACK.fullmatch(path) else otherwise


def lacking(what):
    return Reply("Not there", fill("lacking", what=what), 404)


def plural(count, word):
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


# --- questions ---


def questions(visit):
    found, given = visit.quiz.questions(), visit.quiz.answers()
    asked, right = collections.Counter(), collections.Counter()
    for (_, question), option in given.items():
        asked[question] += 1
        right[question, option] += 1
    rows, mine = [], 0
    for question in found:
        own = given.get((visit.user.id, question.id)) if visit.user else None
        mine += own is not None
        mark = "open" if own is None else "right" if own == question.right else "wrong"
        good = right[question.id, question.right]
        count = asked[question.id]
        rows.append(fill("questions.row", id=question.id, text=question.text,
                         mark=fill(f"questions.{mark}"),
                         count=fill("questions.count", answers=plural(count, "answer"), right=good,
                                    all=count) if count else fill("questions.none")))
    left = len(found) - mine
    body = fill("questions", rows=join(rows), empty=when(not found, fill("questions.empty")),
                start=when(visit.user and left, fill("questions.start", count=left)))
    return Reply("Questions", body)


def next_question(visit):
    if not visit.user:
        return go("/users?back=/next")
    given = visit.quiz.answers()
    for question in visit.quiz.questions():
        if (visit.user.id, question.id) not in given:
            return go(f"/question/{question.id}")
    return go("/scores", "You have answered every question.")


def question_page(visit, id):
    question = visit.quiz.question(id)
    if not question:
        return lacking("question")
    options = visit.quiz.options(id)
    own = visit.quiz.answer(visit.user.id, id) if visit.user else None
    rows = []
    for option in options:
        judged = "right" if option.id == question.right else "wrong"
        kind = "other"
        if own is not None and (option.id == own or judged == "right"):
            kind = f"{judged} own" if option.id == own else judged
        rows.append(fill("question.option", id=option.id, text=option.text, kind=kind,
                         mark=fill("question." + kind.replace(" ", "_")),
                         checked=when(option.id == own, Html("checked"))))
    button = fill("question.answer" if own is None else "question.change")
    body = fill("question", id=id, text=question.text, rows=join(rows),
                button=button if visit.user else fill("question.sign_in", id=id),
                verdict=when(own is not None, verdict(question, options, own)))
    return Reply(question.text, body)


def verdict(question, options, own):
    ids = {option.id for option in options}
    if own not in ids:
        kind = "gone"
    elif question.right not in ids:
        kind = "unmarked"
    else:
        kind = "good" if own == question.right else "bad"
    return fill(f"question.{kind}")


def answer(visit, id):
    if not visit.user:
        return go(f"/users?back=/question/{id}")
    if not visit.quiz.question(id):
        return lacking("question")
    chosen = visit.sent("option")
    if chosen not in {option.id for option in visit.quiz.options(id)}:
        reply = question_page(visit, id)
        reply.status, reply.error = 400, "Choose one of the options."
        return reply
    visit.quiz.put_answer(visit.user.id, id, chosen)
    return go(f"/question/{id}")


# --- editing ---


@dataclass
class Row:
    """An option in a form. `was`: its text when the form was made; None for a blank row."""

    id: str
    text: str = ""
    was: str | None = None
    remove: bool = False


@dataclass
class Form:
    """A question in a form: what it is to be, and what it was when the form was made."""

    id: str = "new"
    text: str = ""
    right: str = ""
    was_text: str = ""
    was_right: str = ""
    rows: list = field(default_factory=list)

    @property
    def known(self):
        return self.id != "new"


def form_page(form, error=""):
    shown = []
    for number, row in enumerate(form.rows, 1):
        there = row.was is not None
        shown.append(fill(
            "edit.row", id=row.id, number=number, text=row.text,
            was=when(there, fill("edit.was", name=f"was-{row.id}", text=row.was)),
            checked=when(row.id == form.right, Html("checked")),
            remove=when(there, fill("edit.remove", id=row.id, number=number,
                                    checked=when(row.remove, Html("checked"))))))
    known, path = form.known, f"/question/{form.id}"
    title = "Edit the question" if known else "A new question"
    body = fill("edit", title=title, action=f"{path}/edit" if known else path, text=form.text,
                was=when(known, fill("edit.was", name="was", text=form.was_text)),
                was_right=when(known, fill("edit.was", name="was-right", text=form.was_right)),
                rows=join(shown), back=path if known else "/",
                delete=when(known, fill("edit.delete", id=form.id)))
    return Reply(title, body, 400 if error else 200, error=error)


def blank_rows(kind, taken=0):
    return [Row(f"new-{i}") for i in range(min(NEW_ROWS[kind], MAX_OPTIONS - taken))]


def new_form(visit):
    return form_page(Form(rows=blank_rows("new")))


def edit_form(visit, id):
    question = visit.quiz.question(id)
    if not question:
        return lacking("question")
    rows = [Row(option.id, option.text, option.text) for option in visit.quiz.options(id)]
    return form_page(Form(id, question.text, question.right, question.text, question.right,
                          rows + blank_rows("edit", len(rows))))


def sent_rows(visit):
    """The form's options as they were sent, in its order."""
    rows = []
    for name in visit.form:
        match = re.fullmatch(rf"text-({ID})", name)
        if match and len(rows) < 4 * MAX_OPTIONS:
            id = match.group(1)
            rows.append(Row(id, visit.sent(name), visit.form.get(f"was-{id}"),
                            f"remove-{id}" in visit.form))
    return rows


def checked_rows(rows, right):
    """The options that are to be there in the end; BadInput if they make no question."""
    kept = []
    for number, row in enumerate(rows, 1):
        if row.remove or (row.was is None and not tidy(row.text)):
            continue
        kept.append(Row(row.id, checked(row.text, MAX_OPTION, f"Option {number}"), row.was))
    if not MIN_OPTIONS <= len(kept) <= MAX_OPTIONS:
        raise BadInput(f"A question needs {MIN_OPTIONS} to {MAX_OPTIONS} options; "
                       f"this has {len(kept)}.")
    if right not in {row.id for row in kept}:
        raise BadInput("Mark the option that is right.")
    return kept


def save(visit, id):
    """Writes what the user changed and nothing else, so that two people who edit different parts of
    a question at once do not undo one another. In the same part, the later one wins."""
    form = Form(id, visit.sent("text"), visit.sent("right"), visit.sent("was"),
                visit.sent("was-right"), sent_rows(visit))
    try:
        text = checked(form.text, MAX_QUESTION, "The question")
        kept = checked_rows(form.rows, form.right)
    except BadInput as error:
        return form_page(form, str(error))
    question = visit.quiz.question(id) if form.known else Question(new_id(), "", "")
    if not question:
        return lacking("question")
    for row in kept:
        option = Option(row.id if row.was is not None else new_id(), row.text)
        if row.was != row.text:
            visit.quiz.put_option(question.id, option)
        if row.id == form.right:
            right = option.id
    wanted = Question(question.id, text if text != form.was_text else question.text,
                      right if right != form.was_right else question.right)
    if wanted != question:  # after the options: nobody gets to see a question that has none
        visit.quiz.put_question(wanted)
    for row in form.rows:
        if row.remove:
            visit.quiz.delete_option(question.id, row.id)
    return go(f"/question/{question.id}", "Saved.")


def save_new(visit):
    return save(visit, "new")


def delete(visit, id):
    visit.quiz.delete_question(id)
    return go("/", "The question was deleted.")


# --- users, scores ---


def users_page(visit, error="", typed=""):
    back = back_to(visit.query.get("back", visit.sent("back")), "/")
    rows = [fill("users.row", id=user.id, name=user.name, back=back)
            for user in visit.quiz.users()]
    body = fill("users", back=back, typed=typed,
                known=when(rows, fill("users.known", rows=join(rows))),
                you=fill("users.you", name=visit.user.name) if visit.user else Html(""))
    return Reply("Who are you?", body, 400 if error else 200, error=error)


def sign_in(visit):
    back = back_to(visit.sent("back"), "/")
    if "user" in visit.form:
        found = [user for user in visit.quiz.users() if user.id == visit.sent("user")]
        if not found:
            return users_page(visit, "There is no such user here.")
        user = found[0]
    else:
        try:
            user = visit.quiz.user_named(visit.sent("name"))
        except BadInput as error:
            return users_page(visit, str(error), visit.sent("name"))
    return go(back, f"Hello, {user.name}.", user=f"{user.id}:{user.name}")


def sign_out(visit):
    return go("/users", "You are signed out.", user="")


def scores(visit):
    right = {question.id: question.right for question in visit.quiz.questions()}
    tally = {user.id: [0, 0] for user in visit.quiz.users()}
    names = {user.id: user.name for user in visit.quiz.users()}
    for (user, question), option in visit.quiz.answers().items():
        if user in tally and question in right:
            tally[user][0] += option == right[question]
            tally[user][1] += 1
    order = sorted(tally, key=lambda id: (-tally[id][0], tally[id][1], names[id].casefold()))
    rows, place = [], 0
    for at, id in enumerate(order, 1):
        if at == 1 or tally[id] != tally[order[at - 2]]:
            place = at
        good, count = tally[id]
        you = visit.user and visit.user.id == id
        rows.append(fill("scores.row", place=place, name=names[id], right=good, answers=count,
                         total=len(right), you=when(you, fill("scores.you")),
                         kind="you" if you else "other"))
    body = fill("scores", rows=join(rows), empty=when(not rows, fill("scores.empty")))
    return Reply("Scores", body)


# --- settings ---


def settings(visit):
    back = visit.query.get("back", "")
    back = back if BACK.fullmatch(back) else ""
    found = states(visit.nodes)
    rows = [fill("settings.node", address=node.address, name=node.name, state=state, why=why,
                 kind=state.replace(" ", "-"),
                 checked=when(node is visit.node, Html("checked")))
            for node, (state, why) in zip(visit.nodes, found)]
    status = visit.node.status() if found[visit.node.number - 1][0] != "down" else None
    told = status_rows(status) if isinstance(status, dict) else fill("settings.silent")
    body = fill("settings", rows=join(rows), back=back, name=visit.node.name,
                address=visit.node.address, status=told)
    return Reply("Settings", body)


def status_rows(status):
    """What matters here of what it says; and all of it as JSON."""
    facts = {}
    for part, names in FACTS.items():
        known = status.get(part) if isinstance(status.get(part), dict) else {}
        facts.update((name, known[name]) for name in names if name in known)
    for peer in status.get("peers") or []:
        if isinstance(peer, dict):
            facts[f"link to node {peer.get('peer')}"] = peer.get("link")
    rows = [fill("settings.fact", name=name, value=value) for name, value in facts.items()]
    return fill("settings.status", rows=join(rows),
                json=json.dumps(status, indent=2, ensure_ascii=False))


def choose_node(visit):
    for node in visit.nodes:
        if node.address == visit.sent("node"):
            note = f"This browser talks to {node.name} now."
            return go(back_to(visit.sent("back"), "/settings"), note, node=node.address)
    reply = settings(visit)
    reply.status, reply.error = 400, "Choose one of the nodes."
    return reply


ROUTES = [
    ("GET", r"/", questions),
    ("GET", r"/next", next_question),
    ("GET", r"/question/new", new_form),
    ("POST", r"/question/new", save_new),
    ("GET", rf"/question/({ID})", question_page),
    ("POST", rf"/question/({ID})", answer),
    ("GET", rf"/question/({ID})/edit", edit_form),
    ("POST", rf"/question/({ID})/edit", save),
    ("POST", rf"/question/({ID})/delete", delete),
    ("GET", r"/users", users_page),
    ("POST", r"/users", sign_in),
    ("POST", r"/signout", sign_out),
    ("GET", r"/scores", scores),
    ("GET", r"/settings", settings),
    ("POST", r"/settings", choose_node),
]


def trouble(path, error, visit, posted):
    """A node failed: the browser goes to the settings, is told, and may come back from there."""
    said = str(error)
    if posted and (visit.quiz.written or not error.definite):
        part = "A part of it was saved." if visit.quiz.written else "It may have been saved or not."
        said += " " + part
    elif posted:
        said += " Nothing was saved."
    said += " Choose another node, or try again."
    back = path if BACK.fullmatch(path) else ""
    query = "?" + urllib.parse.urlencode({"back": back}) if back else ""
    return Reply(status=303, location="/settings" + query, cookies={"error": said})
