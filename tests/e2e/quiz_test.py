"""examples/quiz in a real browser, on a real leaderless cluster of four nodes.

Screenshots go to the folder that KVORUM_SCREENSHOTS names, else to build/quiz-screenshots.
"""

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

from harness import Cluster, wait_for

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

HERE = os.path.dirname(os.path.abspath(__file__))
QUIZ = os.path.join(HERE, "..", "..", "examples", "quiz", "quiz.py")
SHOTS = os.environ.get("KVORUM_SCREENSHOTS") or os.path.join(HERE, "..", "..", "build",
                                                             "quiz-screenshots")
NODES = 4
WIDE, NARROW = (1100, 900), (390, 844)


class Site:
    """quiz.py on a free port. Its patience is long, so that a slow machine is no dead node."""

    def __init__(self, cluster, timeout_s=60):
        machines = os.path.join(cluster.dir, "machines.txt")
        with open(machines, "w", encoding="utf-8") as file:
            file.writelines(f"{address(cluster, node)}\n" for node in range(1, NODES + 1))
        self.process = subprocess.Popen(
            [sys.executable, QUIZ, "--port", "0", "--machines", machines,
             "--timeout", str(timeout_s)], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", line).group(1))
        self.url = f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, body=None, **headers):
        """(status, text), as some other program than a browser."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Browser:
    """Headless Chromium with a profile of its own, so with cookies of its own."""

    def __init__(self, site):
        self.site = site
        self.profile = tempfile.mkdtemp(prefix="kvorum-chromium-")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--hide-scrollbars", f"--user-data-dir={self.profile}"):
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")),
                                       options=options)
        self.look()

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def look(self, size=WIDE, scheme="light"):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == NARROW})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def shot(self, name):
        os.makedirs(SHOTS, exist_ok=True)
        self.driver.save_screenshot(os.path.join(SHOTS, f"{name}.png"))

    def too_wide(self):
        return self.driver.execute_script(
            "return document.scrollingElement.scrollWidth > window.innerWidth")

    def errors(self):
        """What the console has got since the last call."""
        return [line["message"] for line in self.driver.get_log("browser")
                if line["level"] in ("SEVERE", "WARNING")]

    # What is on the page may be about to be replaced, so each of these tries again.

    def until(self, condition, what):
        def tried():
            try:
                return condition()
            except WebDriverException:
                return None
        return wait_for(tried, f"{what} at {self.driver.current_url}")

    def find(self, selector, within=""):
        """The visible element with that text in it."""
        def found():
            for element in self.driver.find_elements(By.CSS_SELECTOR, selector):
                if within in element.text and element.is_displayed():
                    return element
            return None
        return self.until(found, f"{selector} {within!r}")

    def go(self, path):
        self.driver.get(self.site.url + path)

    def path(self):
        return urllib.parse.urlsplit(self.driver.current_url).path

    def click(self, selector, within=""):
        def clicked():
            self.find(selector, within).click()
            return True
        self.until(clicked, f"a click on {selector} {within!r}")

    def type(self, selector, text):
        """As pasted: an attribute of the field would not hold it back."""
        self.driver.execute_script("arguments[0].value = arguments[1]", self.find(selector), text)

    def text(self, selector="main"):
        return self.find(selector).text

    def see(self, text, selector="main"):
        self.until(lambda: text in self.driver.find_element(By.CSS_SELECTOR, selector).text,
                   f"{text!r} in {selector}")

    # Things that people do.

    def sign_in(self, name):
        self.go("/users")
        self.type("input[name=name]", name)
        self.click("button", "Sign in")
        self.see(f"Hello, {name}.")

    def choose(self, node):
        if self.path() != "/settings":
            self.go("/settings")
        self.click("label.node", f"node {node} ")
        self.click("button", "Use this node")
        self.see(f"This browser talks to node {node} now.")

    def answer(self, question, option):
        self.go(question)
        self.click("label.option", option)
        self.click("main button")
        self.see("That is ")

    def add_question(self, text, options, right):
        self.go("/question/new")
        self.type("textarea", text)
        for i, option in enumerate(options):
            self.type(f"input[name=text-new-{i}]", option)
        self.click(f"input[name=right][value=new-{right}]")
        self.click("button", "Save")
        self.see("Saved.")
        return self.path()


def address(cluster, node):
    return f"127.0.0.1:{cluster.base + 2000 + node - 1}"


class OnCluster(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(NODES, "--level", "eventual", "-W", "2", "-R", "2")
        cls.addClassCleanup(cls.cluster.destroy)
        cls.site = Site(cls.cluster)
        cls.addClassCleanup(cls.site.stop)

    def browser(self, site=None):
        browser = Browser(site or self.site)
        self.addCleanup(browser.close)
        self.addCleanup(lambda: self.assertEqual(browser.errors(), []))
        return browser


class Pages(OnCluster):
    def test_an_answer_and_an_edit_at_one_node_are_there_at_the_others(self):
        one, two = self.browser(), self.browser()
        one.choose(1)
        one.sign_in("Ada")
        question = one.add_question("What is a majority of four?", ["Two", "Three", "Fuor"], 1)
        one.answer(question, "Three")
        one.see("That is right.")
        one.shot("answered")
        one.choose(2)
        one.go(question)
        one.see("your answer, right", "label.right")

        two.choose(3)
        two.go(question)
        two.see("Sign in to answer")
        one.click("a", "Edit")
        one.type("input[type=text][value=Fuor]", "Four")
        one.shot("edit")
        one.click("button", "Save")
        one.see("Saved.")
        two.go(question)
        two.see("Four", "fieldset")

        two.click("a", "Edit")
        two.click(".edit-row:has([value=Two]) input[type=checkbox]")
        two.click("button", "Save")
        two.see("Saved.")
        for node in range(1, NODES + 1):
            one.choose(node)
            one.go(question)
            one.see("your answer, right", "label.right")
            self.assertEqual([line for line in one.text("fieldset").splitlines()
                              if line in ("Two", "Three", "Four", "Fuor")], ["Three", "Four"])

    def test_two_who_edit_different_parts_at_once_lose_nothing(self):
        one, two = self.browser(), self.browser()
        one.choose(1)
        two.choose(4)
        question = one.add_question("Who wrote it down?", ["Ada", "Bob"], 0)
        one.go(question + "/edit")
        two.go(question + "/edit")
        one.type("textarea", "Who wrote it down first?")
        two.type("input[type=text][value=Bob]", "Barbara")
        for browser in (one, two):
            browser.click("button", "Save")
            browser.see("Saved.")
        one.go(question)
        one.see("Who wrote it down first?")
        one.see("Barbara", "fieldset")

    def test_text_is_shown_and_never_run(self):
        browser = self.browser()
        script = "<script>document.title = 'run'</script><img src=x onerror=\"alert('run')\">"
        question = browser.add_question(script, [script + "1", "\"'><b>2</b>"], 0)
        for path in (question, question + "/edit", "/"):
            browser.go(path)
            self.assertNotEqual(browser.driver.title, "run")
            self.assertEqual(
                browser.driver.find_elements(By.CSS_SELECTOR, "script, main img, main b"), [])
        browser.go(question)
        browser.see(script, "h1")
        browser.see("\"'><b>2</b>", "fieldset")
        browser.shot("script-is-text")
        browser.go("/users")
        browser.type("input[name=name]", "<i>Eve</i>")
        browser.click("button", "Sign in")
        browser.see("<i>Eve</i>", "header")

    def test_bad_input_gets_one_clear_message_and_keeps_what_was_typed(self):
        browser = self.browser()
        browser.go("/question/new")
        browser.type("textarea", "why? " * 100)
        browser.type("input[name=text-new-0]", "because")
        for say, fix in (
                ("The question is too long: 499 characters, and at most 300 fit.",
                 lambda: browser.type("textarea", "Why?")),
                ("A question needs 2 to 8 options; this has 1.",
                 lambda: browser.type("input[name=text-new-1]", "o" * 121)),
                ("Option 2 is too long: 121 characters, and at most 120 fit.",
                 lambda: browser.type("input[name=text-new-1]", "why not")),
                ("Mark the option that is right.", lambda: None)):
            browser.click("button", "Save")
            browser.see(say, "[role=alert]")
            browser.shot("bad-input-" + re.sub(r"\W+", "-", say[:24]).lower())
            [error] = browser.errors()
            self.assertIn("status of 400", error)  # how Chromium tells of an answer that is no 200
            fix()
        browser.click("input[name=right][value=new-0]")
        browser.click("button", "Save")
        browser.see("Saved.")
        browser.see("because", "fieldset")

    def test_a_form_that_was_refused_once_is_saved_whole_the_second_time(self):
        browser = self.browser()
        browser.sign_in("Barbara")
        question = browser.add_question("Which one?", ["this", "that"], 0)
        browser.go(question + "/edit")
        browser.click(".edit-row:has([value=that]) input[type=radio]")
        browser.type("textarea", " ")
        browser.driver.execute_script("document.forms[1].noValidate = true")
        browser.click("button", "Save")
        browser.see("The question is empty.", "[role=alert]")
        self.assertEqual(len(browser.errors()), 1)
        browser.type("textarea", "Which one now?")
        browser.click("button", "Save")
        browser.see("Which one now?", "h1")
        browser.answer(question, "that")
        browser.see("your answer, right", "label.right")

    def test_every_page_fits_wide_and_narrow_windows_light_and_dark(self):
        browser = self.browser()
        browser.sign_in("Edsger")
        browser.answer("/question/5", "the clocks may differ")
        pages = {"questions": "/", "question": "/question/4", "wrong": "/question/5",
                 "edit": "/question/4/edit", "new": "/question/new", "users": "/users",
                 "scores": "/scores", "settings": "/settings"}
        for size, width in ((WIDE, "wide"), (NARROW, "narrow")):
            for scheme in ("light", "dark"):
                browser.look(size, scheme)
                for name, path in pages.items():
                    browser.go(path)
                    browser.find("h1")
                    browser.shot(f"{name}-{width}-{scheme}")
                    self.assertFalse(browser.too_wide(), f"{name} {width}")

    def test_a_form_of_another_site_does_nothing(self):
        host = f"127.0.0.1:{self.site.port}"
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for headers in ({}, {"Origin": "http://example.com"}, {"Origin": "null"},
                        {"Origin": f"http://{host}", "Host": "example.com"}):
            status, _ = self.site.ask("POST", "/users", "name=Mallory", **form, **headers)
            self.assertEqual(status, 403, headers)
        self.assertNotIn("Mallory", self.site.ask("GET", "/users")[1])
        self.assertEqual(self.site.ask("POST", "/users", "name=Alan", **form,
                                       Origin=f"http://{host}")[0], 303)
        self.assertIn("Alan", self.site.ask("GET", "/users")[1])

    def test_only_named_files_are_served_and_no_request_is_too_strange(self):
        for path in ("/../quiz.py", "/static/style.css", "/%2e%2e/quiz.py", "/quiz.py",
                     "/question/a%00b", "/question/..%2f..", "/templates/layout.html"):
            self.assertEqual(self.site.ask("GET", path)[0], 404, path)
        host = f"127.0.0.1:{self.site.port}"
        for body, status in (("x" * (64 * 1024 + 1), 413), ("x" * (5 << 20), 413),
                             ("a&" * 200, 400), ("name=%00", 400), ("user=nobody", 400),
                             ("name=" + "x" * 41, 400)):
            self.assertEqual(self.site.ask("POST", "/users", body, Origin=f"http://{host}")[0],
                             status, body[:20])
        self.assertEqual(self.site.ask("DELETE", "/")[0], 501)
        self.assertEqual(self.site.ask("POST", "/scores", "", Origin=f"http://{host}")[0], 405)
        self.assertEqual(self.site.ask("GET", "/style.css")[0], 200)


class DeadNode(OnCluster):
    def test_a_dead_node_leads_to_the_settings_and_has_all_when_it_is_back(self):
        browser = self.browser()
        browser.choose(2)
        browser.sign_in("Grace")
        browser.answer("/question/1", "When R + W > N")
        self.cluster.kill(2)
        browser.click("nav a", "Scores")
        browser.see("Settings", "h1")
        browser.see("Node 2 (" + address(self.cluster, 2) + ") is down", "[role=alert]")
        self.assertEqual(browser.path(), "/settings")
        browser.see("down", "label.node:has([value$='" + address(self.cluster, 2) + "'])")
        browser.shot("node-down")

        browser.choose(3)
        self.assertEqual(browser.path(), "/scores")  # where the dead node had stopped it
        browser.go("/question/1")
        browser.see("your answer, right", "label.right")
        browser.answer("/question/2", "Six")
        browser.answer("/question/3", "They are concurrent")
        missed = browser.add_question("Which node was away?", ["Two", "Three"], 0)

        self.cluster.restart(2)
        self.wait_for_rows(2)
        browser.choose(2)
        browser.go(missed)
        browser.see("Which node was away?")
        browser.go("/question/2")
        browser.see("your answer, wrong", "label.wrong")
        browser.go("/scores")
        browser.see("2", "tr.you")
        self.assertRegex(browser.text("tr.you"), r"Grace \(you\) 2 3 of ")

    def test_a_frozen_node_leads_to_the_settings_too(self):
        site = Site(self.cluster, timeout_s=1)
        self.addCleanup(site.stop)
        browser = self.browser(site)
        browser.choose(4)
        self.cluster.signal(4, signal.SIGSTOP)
        self.addCleanup(self.cluster.signal, 4, signal.SIGCONT)
        browser.click("nav a", "Scores")
        browser.see("did not answer in 1 s", "[role=alert]")
        browser.see("down", "label.node:has([value$='" + address(self.cluster, 4) + "'])")

    def wait_for_rows(self, node):
        """Until the node itself has every key of which it is a replica, without a read at it."""
        def rows(at):
            return set(re.findall(r"'((?:question|option|answer|user):[^']+)'",
                                  str(self.cluster.ask(at, "KV.DUMP"))))

        def due():
            keys = set().union(*(rows(other) for other in range(1, NODES + 1) if other != node))
            return {key for key in keys if f"{node}" in self.holders(key)}

        wait_for(lambda: due() and due() <= rows(node), "what the node has missed")

    def holders(self, key):
        where = self.cluster.ask(1, "KV.WHERE", key)
        return {str(holder) for holder in where[where.index("nodes") + 1]}


class Flags(unittest.TestCase):
    def test_bad_flags_get_one_line(self):
        for flags, error in ((("--nodes", "here"), "'here' is not host:port"),
                             (("--nodes", "h:0"), "'h:0' is not host:port"),
                             (("--nodes", "h:1,h:1"), "a node is named twice"),
                             (("--nodes", ""), "no node is named"),
                             (("--machines", "no-such-file"), "No such file"),
                             (("--port", "70000"), "ports are 0 to 65535")):
            done = subprocess.run([sys.executable, QUIZ, *flags], capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual(done.returncode, 2, flags)
            self.assertIn(error, done.stderr.splitlines()[-1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
