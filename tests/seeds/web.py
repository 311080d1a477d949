"""Rows about HTTP."""

import json

import quiz_test
from harness import wait_for
from http_test import ask
from lab import must, row


@row(30, "HTTP front: /get, /get-prefix, /put, /delete, /", "S2",
     "`curl -X PUT -d '{\"key\":\"a\",\"value\":\"1\"}' .../put` at one of four nodes; "
     "`.../get?key=a` at the others; `.../get-prefix?key=option:1`; `.../delete`",
     "`1` at each; `option:1:0` without `option:10:0`; 404 for what is not there, or was deleted "
     "anywhere; a put succeeds with a node dead; `/` lists the machines; pages of other origins "
     "only with `--http-origin`")
def http(lab):
    cluster = lab.cluster(4, "--level", "eventual", "-W", "2", "-R", "2",
                          "--http-origin", "http://quiz.example")

    def put(node, key, value):
        return ask(cluster, node, "PUT", "/put", json.dumps({"key": key, "value": value}),
                   {"Content-Type": "application/json"}).status

    def get(node, key):
        answer = ask(cluster, node, "GET", f"/get?key={key}")
        return answer.body.decode() if answer.status == 200 else answer.status

    must(put(1, "a", "1") == 200, "the put")
    must([get(node, "a") for node in (2, 3, 4)] == 3 * ["1"], "the same at the others")
    for name in ("1:0", "1:1", "10:0"):
        must(put(2, f"option:{name}", name) == 200, name)
    pairs = ask(cluster, 3, "POST", "/get-prefix", '{"key":"option:1"}')
    must(pairs.json() == {"option:1:0": "1:0", "option:1:1": "1:1"}, pairs.body)
    must(ask(cluster, 3, "GET", "/get-prefix?key=opt").status == 404, "half a part")
    must(ask(cluster, 4, "DELETE", "/delete", '{"key":"a"}').body == b"deleted\n", "the delete")
    must([get(node, "a") for node in (1, 2, 3, 4)] == 4 * [404], "deleted everywhere")
    must(b"Machines" in ask(cluster, 1, "GET", "/").body, "the page of machines")
    shown = [ask(cluster, 1, "GET", "/get?key=option:1:0", headers={"Origin": origin})
             .headers["Access-Control-Allow-Origin"]
             for origin in ("http://quiz.example", "http://other.example")]
    must(shown == ["http://quiz.example", None], shown)
    cluster.kill(4)
    wait_for(lambda: put(1, "b", "2") == 200 and get(2, "b") == "2", "a put with a node dead")


@row(31, "The quiz website runs on it", "S2",
     "`./dev quiz`; sign in and answer, edit options; `/settings`: another node; "
     "`kvorum cluster kill 2 --hard --data ./kvorum-quiz`",
     "the same data at each node; with its node dead the site says so and goes on at another one; "
     "a node that is back has what it missed. `tests/e2e/quiz_test.py` does it in Chromium")
def quiz(lab):
    cluster = lab.cluster(quiz_test.NODES, "--level", "eventual", "-W", "2", "-R", "2")
    site = quiz_test.Site(cluster)
    try:
        must("question" in site.ask("GET", "/")[1].lower(), "the list of questions")
        first, *others = (ask(cluster, node, "GET", "/get-prefix?key=question").json()
                          for node in range(1, quiz_test.NODES + 1))
        must(others == 3 * [first], "the same questions at each node")
    finally:
        site.stop()
    return f"{len(first)} questions"
