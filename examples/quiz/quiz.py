#!/usr/bin/env python3
"""A small quiz website that keeps all it knows in a kvorum cluster, over any node's HTTP port.

Standard library only; the pages work without JavaScript. README.md beside this file says what to
try with it.
"""

import argparse
import http.server
import pathlib
import random
import re
import signal
import sys
import threading
import traceback
import urllib.parse

import pages
from node import Node, NodeError
from records import ID, Quiz, User
from views import fill, when

HERE = pathlib.Path(__file__).parent
FILES = {"/style.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml"}
MAX_BODY_BYTES, MAX_DROPPED_BYTES, MAX_FIELDS = 64 << 10, 16 << 20, 100
BROWSER_TIMEOUT_S = 10
COOKIE = "quiz_"  # browsers share cookies among all ports of a host
YEAR_S = 365 * 24 * 3600
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
                               "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?")
TABS = [("/", "Questions"), ("/scores", "Scores"), ("/users", "Users"), ("/settings", "Settings")]


class Server(http.server.ThreadingHTTPServer):
    """A thread for each request, so that a slow node holds up only those who asked it."""

    daemon_threads = True

    def __init__(self, port, nodes):
        self.nodes = nodes
        self.filled = False
        self.filling = threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)

    def fill(self, quiz):
        """Before the first page with something of a node's. Who finds another at it does not wait:
        that one's node may be dead."""
        if not self.filled and self.filling.acquire(blocking=False):
            try:
                quiz.fill()
                quiz.written = 0
                self.filled = True
            finally:
                self.filling.release()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # an OSError: the browser went away
            super().handle_error(request, client_address)


class Refused(Exception):
    """A request that no page should see."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def read_fields(text):
    try:
        return dict(urllib.parse.parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise Refused(400, "That form has too many fields.") from None


class Handler(http.server.BaseHTTPRequestHandler):
    timeout = BROWSER_TIMEOUT_S

    def do_GET(self):
        self.serve("GET")

    def do_HEAD(self):
        self.serve("GET")

    def do_POST(self):
        self.serve("POST")

    def serve(self, method):
        self.cookies = self.read_cookies()
        path, _, query = self.path.partition("?")
        if method == "GET" and path in FILES:
            self.send_file(path)
            return
        nodes = self.server.nodes
        known = [node for node in nodes if node.address == self.cookies.get("node")]
        node = known[0] if known else random.choice(nodes)
        visit = pages.Visit(nodes, node, Quiz(node), self.signed_in(), {}, {})
        try:
            body = self.read_body() if method == "POST" else b""
            self.check_origin(method)
            visit.query = read_fields(query)
            visit.form = read_fields(body.decode("utf-8", "replace"))
            reply = self.page(method, path, visit)
        except Refused as refused:
            reply = pages.Reply("Refused", fill("refused", why=refused), refused.status)
        except NodeError as error:
            print(f"quiz: {method} {path}: {error}", file=sys.stderr, flush=True)
            reply = pages.trouble(path, error, visit, method == "POST")
        except OSError:
            raise  # the browser went away
        except Exception:  # whatever it is, the browser gets an answer and the server goes on
            traceback.print_exc()
            reply = pages.Reply("Error", fill("refused", why="The site has failed here."), 500)
        if not known:
            reply.cookies.setdefault("node", node.address)
        self.send(path, visit, reply)

    def page(self, method, path, visit):
        fits = [(route[0], route[2], match.groups()) for route in pages.ROUTES
                if (match := re.fullmatch(route[1], path))]
        if not fits:
            return pages.Reply("Not there", fill("lacking", what="page"), 404)
        for wanted, page, words in fits:
            if wanted == method:
                if not path.startswith("/settings"):
                    self.server.fill(visit.quiz)
                return page(visit, *words)
        raise Refused(405, f"{method} is not for this page.")

    # --- what the browser sent ---

    def check_origin(self, method):
        """Loopback names only, or a page elsewhere could give its own name this address and read
        along; and a form must be one of ours. Browsers tell the origin of each form's page."""
        host = self.headers.get("Host", "")
        if not LOOPBACK.fullmatch(host):
            raise Refused(403, "This site answers to 127.0.0.1 and localhost only.")
        if method == "POST" and self.headers.get("Origin") != f"http://{host}":
            raise Refused(403, "That form was not on a page of this site.")

    def read_body(self):
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError:
            raise Refused(411, "How long is the form?") from None
        if 0 <= size <= MAX_BODY_BYTES:
            return self.rfile.read(size)
        left = min(size, MAX_DROPPED_BYTES)  # unread, it would break the connection of the answer
        while left > 0 and (chunk := self.rfile.read(min(left, MAX_BODY_BYTES))):
            left -= len(chunk)
        raise Refused(413, f"That is too much text: at most {MAX_BODY_BYTES >> 10} KiB fit.")

    def read_cookies(self):
        found = {}
        for part in self.headers.get("Cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name.startswith(COOKIE):
                found[name[len(COOKIE):]] = urllib.parse.unquote(value)
        return found

    def signed_in(self):
        """The cookie has the name, too: a page needs no request to know it."""
        id, _, name = self.cookies.get("user", "").partition(":")
        return User(id, name) if re.fullmatch(ID, id) and name else None

    # --- what it gets ---

    def send(self, path, visit, reply):
        shown = not reply.location
        for kind in ("note", "error"):  # told once: on the next page that is shown
            if shown and kind in self.cookies:
                reply.cookies.setdefault(kind, "")
        body = self.whole_page(path, visit, reply).encode("utf-8", "replace") if shown else b""
        self.send_response(reply.status)
        for name, value in reply.cookies.items():
            age = f"Max-Age={YEAR_S if value else 0}"
            self.send_header("Set-Cookie", f"{COOKIE}{name}={urllib.parse.quote(value, safe='')}; "
                                           f"Path=/; HttpOnly; SameSite=Lax; {age}")
        if reply.location:
            self.send_header("Location", reply.location)
        self.finish_with("text/html; charset=utf-8", body)

    def whole_page(self, path, visit, reply):
        error = reply.error or self.cookies.get("error", "")
        note = self.cookies.get("note", "")
        tabs = pages.join(fill("layout.tab", path=to, name=name,
                               current=when(to == path, fill("layout.current")))
                          for to, name in TABS)
        user = fill("layout.user", name=visit.user.name) if visit.user else fill("layout.nobody")
        return fill("layout", title=reply.title, tabs=tabs, user=user, body=reply.body,
                    node=visit.node.name, address=visit.node.address,
                    error=when(error, fill("layout.error", text=error)),
                    note=when(note and not error, fill("layout.note", text=note)))

    def send_file(self, path):
        self.send_response(200)
        self.finish_with(FILES[path], (HERE / "static" / path[1:]).read_bytes())

    def finish_with(self, kind, body):
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format, *args):
        pass


# --- command line ---


def parse_nodes(words, timeout_s):
    """[Node] of "host:port" words; ValueError says which is none."""
    nodes = []
    for word in filter(None, (word.strip() for word in words)):
        host, _, port = word.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(f"'{word}' is not host:port")
        nodes.append(Node(len(nodes) + 1, host.strip("[]"), int(port), timeout_s))
    if len({node.address for node in nodes}) != len(nodes):
        raise ValueError("a node is named twice")
    if not nodes:
        raise ValueError("no node is named")
    return nodes


def parse_flags():
    parser = argparse.ArgumentParser(description="A quiz website on a kvorum cluster.")
    parser.add_argument("--port", type=int, default=5004,
                        help="where the site listens on 127.0.0.1 (default 5004; 0: any)")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--nodes", metavar="HOST:PORT,...",
                       default="127.0.0.1:9001,127.0.0.1:9002,127.0.0.1:9003,127.0.0.1:9004",
                       help="HTTP ports of the nodes (default: four, from 127.0.0.1:9001)")
    group.add_argument("--machines", metavar="FILE", help="the same, one host:port on each line")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=2.0,
                        help="how long a node may take to answer (default 2)")
    flags = parser.parse_args()
    if not 0 < flags.timeout <= 3600:
        parser.error("--timeout: more than 0 seconds, at most 3600")
    if not 0 <= flags.port < 65536:
        parser.error(f"--port {flags.port}: ports are 0 to 65535")
    try:
        if flags.machines:
            text = pathlib.Path(flags.machines).read_text("utf-8")
            words = [line.partition("#")[0] for line in text.splitlines()]
        else:
            words = flags.nodes.split(",")
        nodes = parse_nodes(words, flags.timeout)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return flags.port, nodes


def main():
    port, nodes = parse_flags()
    try:
        server = Server(port, nodes)
    except OSError as error:
        sys.exit(f"quiz: port {port}: {error.strerror}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"The quiz is at http://127.0.0.1:{server.server_port}/ and talks to "
          f"{', '.join(node.address for node in nodes)}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
