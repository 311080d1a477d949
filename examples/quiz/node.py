"""One node of the store over its HTTP port: the few requests that the quiz needs."""

import concurrent.futures
import http.client
import json

MAX_ANSWER_BYTES = 64 << 20  # a node that answers more than this is no node of ours
WRITES = ("PUT", "DELETE")


class NodeError(Exception):
    """A request failed. `definite`: nothing was written by it."""

    def __init__(self, text, definite=True):
        super().__init__(text)
        self.definite = definite


class Node:
    """A node that the site may talk to: its number in the list, and its address."""

    def __init__(self, number, host, port, timeout_s):
        self.number, self.host, self.port, self.timeout_s = number, host, port, timeout_s
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.name = f"node {number}"

    def ask(self, method, path, body=None):
        """(status, text). NodeError if no whole answer came in time: then nobody knows whether a
        write that was sent was done."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)
        writes, sent = method in WRITES, False
        try:
            connection.connect()
            sent = True
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            data = answer.read(MAX_ANSWER_BYTES + 1)
            if len(data) > MAX_ANSWER_BYTES:
                raise NodeError(f"{self.called()} answered too much.", definite=not writes)
            return answer.status, data.decode("utf-8", "replace")
        except TimeoutError as error:
            raise NodeError(f"{self.called()} did not answer in {self.timeout_s:g} s.",
                            definite=not (writes and sent)) from error
        except ConnectionRefusedError as error:
            raise NodeError(f"{self.called()} is down: nobody listens there.") from error
        except (OSError, http.client.HTTPException) as error:
            what = "broke off before it answered" if sent else "can't be reached"
            raise NodeError(f"{self.called()} {what}.", definite=not (writes and sent)) from error
        finally:
            connection.close()

    def called(self):
        return f"Node {self.number} ({self.address})"

    def want(self, method, path, body, *wanted):
        """Like ask(), with only these statuses; the text of any other is in the NodeError."""
        status, text = self.ask(method, path, body)
        if status in wanted:
            return status, text
        try:
            error = json.loads(text)
            said, definite = str(error["message"])[:200], error.get("definite") is True
        except (ValueError, KeyError, TypeError):
            said, definite = text.strip()[:200] or "nothing", False
        raise NodeError(f"{self.called()} answered {status}: {said.rstrip('.')}.",
                        definite or method not in WRITES)

    # POST for reads and JSON for all, as the older site did it: no key needs to be percent-encoded.

    def get(self, key):
        status, text = self.want("POST", "/get", {"key": key}, 200, 404)
        return text if status == 200 else None

    def prefix(self, key):
        """Every pair below the key, by parts: `option:1` has `option:1:0` and not `option:10:0`."""
        status, text = self.want("POST", "/get-prefix", {"key": key}, 200, 404)
        if status == 404:
            return {}
        try:
            return {str(key): str(value) for key, value in json.loads(text).items()}
        except (ValueError, AttributeError) as error:
            raise NodeError(f"{self.called()} answered what is no JSON object.") from error

    def put(self, key, value):
        self.want("PUT", "/put", {"key": key, "value": value}, 200)

    def delete(self, key):
        self.want("DELETE", "/delete", {"key": key}, 200)

    def state(self):
        """("up" or "down" or "not ready", why)."""
        try:
            status, text = self.ask("GET", "/healthz")
        except NodeError as error:
            return "down", str(error)
        return ("up", "") if status == 200 else ("not ready", text.strip()[:200])

    def status(self):
        """What the node tells about itself, as JSON; None if it can't be had."""
        try:
            return json.loads(self.want("GET", "/v1/status", None, 200)[1])
        except (NodeError, ValueError):
            return None


def states(nodes):
    """The state of each, asked at the same time, so that dead nodes cost one time-out together."""
    with concurrent.futures.ThreadPoolExecutor(len(nodes)) as pool:
        return list(pool.map(Node.state, nodes))
