"""HTTP on real nodes: what curl does, what docs/openapi.json says, bad and slow clients, faults."""

import http.client
import json
import os
import re
import socket
import threading
import unittest

from harness import ClusterTest, wait_for

import jsonschema  # where the harness told Python to look, too

OPENAPI = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "openapi.json")


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def receipt(self):
        return dict(word.split("=", 1) for word in self.headers["Kvorum-Receipt"].split("; "))


def ask(cluster, node, method, path, body=None, headers=None):
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", cluster.base + 2000 + node - 1, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


class HttpTest(ClusterTest):
    def ask(self, node, method, path, body=None, headers=None):
        return ask(self.cluster, node, method, path, body, headers)

    def raw(self, node, data=b""):
        """A socket that has sent these bytes."""
        sock = socket.create_connection(("127.0.0.1", self.cluster.base + 2000 + node - 1), 20)
        self.addCleanup(sock.close)
        sock.sendall(data)
        return sock

    def read_to_end(self, sock):
        out = b""
        while True:
            part = sock.recv(65536)
            if not part:
                return out
            out += part


class Ordered(HttpTest):
    def test_any_key_and_value_at_every_node_and_for_redis_clients(self):
        values = [b"", b"1", "\u00e9\u4e16".encode(), bytes(range(256)), os.urandom(1 << 20)]
        for i, value in enumerate(values):
            key = ["plain", "a%2Fb%3Fc", "%C3%A9%E4%B8%96", "%00%FF", "large"][i]
            put = self.ask(1, "PUT", f"/v1/kv/{key}", value)
            self.assertEqual(put.status, 204, put.body)
            for node in (1, 2, 3):
                got = self.ask(node, "GET", f"/v1/kv/{key}")
                self.assertEqual((got.status, got.body), (200, value))
                self.assertEqual(got.headers["ETag"], put.headers["ETag"])
        self.assertEqual(self.cluster.ask(2, "GET", "a/b?c"), "1")
        self.assertEqual(self.ask(3, "DELETE", "/v1/kv/plain").status, 204)
        self.assertEqual(self.ask(2, "GET", "/v1/kv/plain").status, 404)
        head = self.ask(2, "HEAD", "/v1/kv/large")
        self.assertEqual((head.headers["Content-Length"], head.body), (str(1 << 20), b""))

    def test_versions_sessions_and_levels(self):
        first = self.ask(1, "PUT", "/v1/kv/k", b"1")
        tag = first.headers["ETag"]
        self.assertEqual(self.ask(2, "PUT", "/v1/kv/k", b"2", {"If-Match": tag}).status, 204)
        self.assertEqual(self.ask(3, "PUT", "/v1/kv/k", b"3", {"If-Match": tag}).status, 412)
        self.assertEqual(self.ask(3, "PUT", "/v1/kv/k", b"3", {"If-None-Match": "*"}).status, 412)
        got = self.ask(3, "GET", "/v1/kv/k?level=sequential",
                       headers={"Kvorum-Session": first.headers["Kvorum-Session"]})
        self.assertIn(got.body, (b"1", b"2"))  # no older than the session's own write
        self.assertEqual(got.receipt()["met"], "sequential")
        linearizable = self.ask(2, "GET", "/v1/kv/k")
        self.assertEqual((linearizable.body, linearizable.receipt()["path"]), (b"2", "readindex"))
        tag = linearizable.headers["ETag"]
        self.assertEqual(self.ask(1, "GET", "/v1/kv/k", headers={"If-None-Match": tag}).status, 304)
        self.assertEqual(self.ask(1, "DELETE", "/v1/kv/k", headers={"If-Match": tag}).status, 204)
        self.assertEqual(self.ask(1, "PUT", "/v1/kv/t?ttl_ms=1", b"x").status, 204)
        wait_for(lambda: self.ask(2, "GET", "/v1/kv/t").status == 404, "the end of a time to live")

    def test_one_writer_wins_a_version(self):
        tag = self.ask(1, "PUT", "/v1/kv/n", b"0").headers["ETag"]
        statuses = []

        def write(node):
            put = self.ask(node, "PUT", "/v1/kv/n", b"%d" % node, {"If-Match": tag})
            statuses.append(put.status)

        threads = [threading.Thread(target=write, args=(node,)) for node in (1, 2, 3, 1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(statuses), [204] + 5 * [412])

    def test_bad_input_is_refused_and_changes_nothing(self):
        large = b"x" * (17 << 20)
        deep = b'{"key":"k","value":' + 10**6 * b"[" + 10**6 * b"]" + b"}"
        cases = [
            ("GET", "/v1/kv/k?level=strongest", None, {}, 400, "LEVEL"),
            ("GET", "/v1/kv/k?r=9", None, {}, 400, "LEVEL"),
            ("PUT", "/v1/kv/k?w=4", b"v", {}, 400, "LEVEL"),
            ("PUT", "/v1/kv/k?levle=one", b"v", {}, 400, "ERR"),
            ("PUT", "/v1/kv/k?keyspace=nowhere", b"v", {}, 404, "NOKEYSPACE"),
            ("PUT", "/v1/kv/k?ttl_ms=-1", b"v", {}, 400, "ERR"),
            ("PUT", "/v1/kv/%zz", b"v", {}, 400, "ERR"),
            ("PUT", "/v1/kv/", b"v", {}, 400, "ERR"),
            ("PUT", "/v1/kv/k", b"v", {"If-Match": "soon"}, 400, "ERR"),
            ("PUT", "/v1/kv/k", b"v", {"Kvorum-Session": "x"}, 400, "TOKEN"),
            ("PUT", "/v1/kv/k", b"v", {"Kvorum-Context": "x"}, 400, "ERR"),
            ("PUT", "/v1/kv/k", b"v", {"Origin": "http://evil.example"}, 403, "ORIGIN"),
            ("PUT", "/v1/kv/k?level=", b"v", {}, 400, "LEVEL"),
            ("PUT", "/v1/kv/k", b"v", {"Transfer-Encoding": "gzip"}, 400, "ERR"),
            ("PUT", "/put", b"{", {}, 400, "ERR"),
            ("PUT", "/put", deep, {}, 400, "ERR"),
            ("PUT", "/put", b'{"key":"k","value":"v"}', {"If-Match": "1"}, 400, "ERR"),
            ("PUT", "/put", b'{"key":"k"}', {}, 400, "ERR"),
            ("POST", "/v1/kv/k", b"v", {}, 405, "METHOD"),
            ("GET", "/put", None, {}, 405, "METHOD"),
            ("GET", "/../../etc/passwd", None, {}, 404, "NOTFOUND"),
            ("GET", "/v1/kv?cursor=-1", None, {}, 400, "ERR"),
            ("PUT", "/v1/kv/k", large, {}, 413, "ERR"),
        ]
        for method, path, body, headers, status, code in cases:
            with self.subTest(path=path, headers=headers):
                try:
                    got = self.ask(1, method, path, body, headers)
                except (BrokenPipeError, ConnectionResetError):
                    self.assertEqual(status, 413)  # refused while the body was still being sent
                    continue
                self.assertEqual((got.status, got.json()["code"], got.json()["definite"]),
                                 (status, code, True), got.body)
        self.assertEqual(self.ask(1, "GET", "/v1/kv/k").status, 404)

    def test_no_requests_and_half_requests_hold_nobody_up(self):
        bomb = b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(20000))
        huge = b"PUT /v1/kv/k HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n"
        hello = b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"  # of a client that expects TLS
        for data, status in ((hello, b"400"), (bomb, b"431"), (huge, b"413")):
            sock = self.raw(1)
            try:
                sock.sendall(data)
                answer = self.read_to_end(sock)
            except OSError:
                self.assertIs(data, bomb)  # the server has closed before it read all of it
                continue
            self.assertTrue(answer.startswith(b"HTTP/1.1 " + status), answer[:200])
        half = [self.raw(1, b"PUT /v1/kv/half HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
                for _ in range(50)]
        silent = [self.raw(1) for _ in range(50)]
        self.assertEqual(self.ask(1, "PUT", "/v1/kv/k", b"v").status, 204)
        half[0].sendall(b"defghij")
        self.assertTrue(half[0].recv(100).startswith(b"HTTP/1.1 204"))
        for sock in half[1:] + silent:
            sock.close()
        self.assertEqual(self.ask(2, "GET", "/v1/kv/half").body, b"abcdefghij")
        self.assertEqual(len(self.ask(2, "GET", "/v1/kv?prefix=").json()["items"]), 2)

    def test_pipelined_requests_are_answered_in_their_order(self):
        requests = b"".join(b"PUT /v1/kv/p HTTP/1.1\r\nContent-Length: 2\r\n\r\n%02d"
                            b"GET /v1/kv/p HTTP/1.1\r\n\r\n" % i for i in range(50))
        sock = self.raw(2, requests + b"GET /v1/kv?prefix=p HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = self.read_to_end(sock)
        statuses = re.findall(rb"HTTP/1.1 (\d+) ", answer)
        self.assertEqual(statuses, 50 * [b"204", b"200"] + [b"200"])
        bodies = re.findall(rb"\r\n\r\n(\d\d)HTTP", answer)
        self.assertEqual(bodies, [b"%02d" % i for i in range(50)])
        self.assertTrue(answer.endswith(b'{"items":[{"key":"p","value":"49"}],"cursor":null}\n'))

    def test_without_a_majority_nothing_is_pretended(self):
        self.assertEqual(self.ask(1, "PUT", "/v1/kv/k", b"1").status, 204)
        wait_for(lambda: self.ask(1, "GET", "/v1/kv/k?level=prefix").body == b"1", "the write here")
        self.cluster.kill(2)
        self.cluster.kill(3)
        got = self.ask(1, "GET", "/v1/kv/k")
        self.assertEqual((got.status, got.json()["definite"]), (503, True))
        self.assertEqual(got.headers["Retry-After"], "1")
        put = self.ask(1, "PUT", "/v1/kv/k", b"2")
        self.assertEqual((put.status, put.json()["definite"]) in ((503, True), (504, False)), True)
        self.assertEqual(self.ask(1, "GET", "/v1/kv/k?level=prefix").body, b"1")
        self.assertEqual(self.ask(1, "GET", "/healthz").json()["status"], "ok")


class Lists(HttpTest):
    extra = ("--partitions", "4")

    def test_prefixes_page_by_page_over_several_partitions(self):
        with self.cluster.connect(1) as connection:
            for i in range(300):
                connection.send("SET", f"{'even' if i % 2 == 0 else 'odd'}:{i}", i)
            for _ in range(300):
                self.assertEqual(connection.read(), "OK")
        keys, cursor, pages = [], "0", 0
        while cursor is not None:
            page = self.ask(1 + pages % 3, "GET", f"/v1/kv?prefix=odd:&limit=40&cursor={cursor}")
            items = page.json()["items"]
            self.assertLessEqual(len(items), 40)
            self.assertTrue(all(item["key"] == f"odd:{item['value']}" for item in items))
            keys += [item["key"] for item in items]
            cursor, pages = page.json()["cursor"], pages + 1
        self.assertEqual(sorted(keys), sorted(f"odd:{i}" for i in range(1, 300, 2)))
        pairs = self.ask(2, "GET", "/get-prefix?key=even").json()
        self.assertEqual(pairs, {f"even:{i}": str(i) for i in range(0, 300, 2)})


class Leaderless(HttpTest):
    nodes = 4
    extra = ("--level", "eventual", "-W", "2", "-R", "2")

    def test_the_older_forms_with_a_dead_peer(self):
        self.assertEqual(self.ask(1, "PUT", "/put", b'{"key":"a","value":"1"}').status, 200)
        for node in (2, 3, 4):
            self.assertEqual(self.ask(node, "GET", "/get?key=a").body, b"1")
        for key in ("option:1:0", "option:1:1", "option:10:0"):
            self.ask(2, "PUT", "/put", json.dumps({"key": key, "value": key}))
        self.assertEqual(self.ask(3, "POST", "/get-prefix", b'{"key":"option:1"}').json(),
                         {"option:1:0": "option:1:0", "option:1:1": "option:1:1"})
        self.cluster.kill(4)
        for i in range(20):
            key = json.dumps({"key": f"k{i}", "value": "v"})
            wait_for(lambda key=key: self.ask(1, "PUT", "/put", key).status == 200,
                     "a put with a peer dead")
        self.assertEqual(self.ask(2, "DELETE", "/delete", b'{"key":"a"}').body, b"deleted\n")
        for node in (1, 2, 3):
            self.assertEqual(self.ask(node, "GET", "/get?key=a").status, 404)
        self.cluster.restart(4)
        wait_for(lambda: self.ask(4, "GET", "/get?key=k7").body == b"v", "what it missed")
        self.assertEqual(self.ask(4, "GET", "/get?key=a").status, 404)
        self.assertIn(b"node 3", self.ask(1, "GET", "/").body)

    def test_counts_versions_and_what_a_leaderless_keyspace_refuses(self):
        put = self.ask(1, "PUT", "/v1/kv/a?w=3", b"1")
        self.assertEqual((put.status, put.receipt()["replicas"]), (204, "3"))
        got = self.ask(2, "GET", "/v1/kv/a?level=quorum")
        self.assertEqual(got.body, b"1")
        self.assertEqual(got.headers["Kvorum-Version"], put.headers["Kvorum-Version"])
        for headers in ({"If-Match": "1"}, {"If-Match": "*"}, {"If-None-Match": "*"}):
            self.assertEqual(self.ask(1, "PUT", "/v1/kv/a", b"2", headers).status, 400, headers)
        self.assertEqual(self.ask(1, "PUT", "/v1/kv/a?w=4", b"2").status, 400)
        self.assertEqual(self.ask(1, "GET", "/v1/kv/a?level=linearizable").json()["code"], "LEVEL")
        self.assertEqual(self.ask(1, "GET", "/v1/kv/a").body, b"1")

    def test_a_connection_finds_a_keyspace_that_was_made_again(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.cluster.base + 2000, timeout=20)
        self.addCleanup(connection.close)

        def put():
            connection.request("PUT", "/v1/kv/k?keyspace=again", b"v")
            return Answer(connection.getresponse()).status

        for _ in range(2):
            self.cluster.ask(1, "KV.KEYSPACE", "CREATE", "again", "leaderless")
            wait_for(lambda: put() == 204, "a put in the keyspace")
            self.cluster.ask(1, "KV.KEYSPACE", "DROP", "again")
            wait_for(lambda: put() in (400, 404), "the end of the keyspace")

    def test_siblings_are_shown_and_superseded(self):
        self.cluster.ask(1, "KV.KEYSPACE", "CREATE", "both", "leaderless", "conflict=siblings")
        wait_for(lambda: all(self.cluster.ask(node, "SELECT", "both") for node in (1, 2, 3, 4)),
                 "the keyspace everywhere")
        # A writer that has seen another key alone is concurrent with whatever this one holds.
        other = self.ask(1, "PUT", "/v1/kv/other?keyspace=both&w=3", b"x").headers["Kvorum-Context"]
        for value, headers in ((b"one", {}), (b"two", {"Kvorum-Context": other})):
            put = self.ask(1, "PUT", "/v1/kv/k?keyspace=both&w=3", value, headers)
            self.assertEqual(put.status, 204)
        got = self.ask(2, "GET", "/v1/kv/k?keyspace=both&r=2")
        self.assertEqual(got.status, 300)
        self.assertEqual({one["value"] for one in got.json()["siblings"]}, {"one", "two"})
        put = self.ask(2, "PUT", "/v1/kv/k?keyspace=both&w=3", b"merged",
                       {"Kvorum-Context": got.headers["Kvorum-Context"]})
        self.assertEqual(put.status, 204)
        self.assertEqual(self.ask(3, "GET", "/v1/kv/k?keyspace=both&r=2").body, b"merged")


class Cross(HttpTest):
    extra = ("--http-origin", "http://good.example")

    def test_pages_of_allowed_origins_alone(self):
        good, other = {"Origin": "http://good.example"}, {"Origin": "http://other.example"}
        asked = self.ask(1, "OPTIONS", "/v1/kv/k", headers={**good,
                                                            "Access-Control-Request-Method": "PUT"})
        self.assertEqual(asked.headers["Access-Control-Allow-Origin"], "http://good.example")
        self.assertEqual(self.ask(1, "PUT", "/v1/kv/k", b"v", good).status, 204)
        self.assertEqual(self.ask(1, "PUT", "/v1/kv/k", b"w", other).status, 403)
        self.assertIsNone(self.ask(1, "GET", "/v1/kv/k", headers=other)
                          .headers["Access-Control-Allow-Origin"])
        self.assertIsNone(self.ask(1, "GET", "/v1/status", headers=good)
                          .headers["Access-Control-Allow-Origin"])


class Contract(HttpTest):
    """docs/openapi.json against the server."""

    def setUp(self):
        super().setUp()
        with open(OPENAPI, encoding="utf-8") as file:
            self.api = json.load(file)

    def resolve(self, part):
        while "$ref" in part:
            at = self.api
            for name in part["$ref"].split("/")[1:]:
                at = at[name]
            part = at
        return part

    def operations(self):
        for path, item in self.api["paths"].items():
            shared = item.get("parameters", [])
            for method in ("get", "put", "post", "delete"):
                if method in item:
                    operation = item[method]
                    parameters = [self.resolve(one)
                                  for one in shared + operation.get("parameters", [])]
                    yield path, method.upper(), operation, parameters

    def check(self, answer, operation):
        where = f"{operation['summary']}: {answer.status} {answer.body[:200]}"
        self.assertIn(str(answer.status), operation["responses"], where)
        described = self.resolve(operation["responses"][str(answer.status)])
        for name in described.get("headers", {}):
            self.assertIn(name, answer.headers, where)
        if "content" not in described:
            self.assertEqual(answer.body, b"", where)
            return
        kind = answer.headers["Content-Type"].split(";")[0]
        self.assertIn(kind, described["content"], where)
        schema = described["content"][kind].get("schema")
        if schema:
            jsonschema.validate(answer.json(), {**schema, "components": self.api["components"]})

    def example(self, operation):
        if "requestBody" not in operation:
            return None
        content = self.resolve(operation["requestBody"])["content"]
        value = next(iter(content.values()))["example"]
        return value if isinstance(value, str) else json.dumps(value)

    def test_every_operation_answers_as_described(self):
        statuses = set()
        for path, method, operation, parameters in self.operations():
            body = self.example(operation)
            url = path.replace("{key}", "a")
            self.check(self.ask(1, method, url, body), operation)
            for one in parameters:
                if "example" not in one or one["in"] == "path":
                    continue
                query = f"?{one['name']}={one['example']}" if one["in"] == "query" else ""
                headers = {one["name"]: str(one["example"])} if one["in"] == "header" else {}
                answer = self.ask(1, method, url + query, body, headers)
                self.assertIn(answer.status, (200, 204, 304, 404), (url, one["name"]))
                self.check(answer, operation)
                statuses.add(answer.status)
            unknown = self.ask(1, method, f"{url}?nobody=knows", body)
            if path not in ("/", "/healthz", "/metrics", "/v1/status"):
                self.assertEqual(unknown.status, 400, url)
        self.assertLessEqual({200, 204}, statuses)

    def test_other_methods_and_paths_are_refused(self):
        for path, item in self.api["paths"].items():
            for method in ("GET", "PUT", "POST", "DELETE", "PATCH"):
                if method.lower() not in item:
                    answer = self.ask(2, method, path.replace("{key}", "a"))
                    self.assertEqual(answer.status, 405, (method, path))
                    jsonschema.validate(answer.json(), self.api["components"]["schemas"]["Error"])
        self.assertEqual(self.ask(2, "GET", "/v2/kv/a").status, 404)

    def test_metrics_are_prometheus_text(self):
        self.ask(1, "PUT", "/v1/kv/k", b"v")
        text = self.ask(1, "GET", "/metrics").body.decode()
        samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        self.assertGreater(samples["process_cpu_seconds_total"], 0)
        self.assertGreater(samples["process_resident_memory_bytes"], 1 << 20)
        self.assertGreaterEqual(samples['kvorum_partition_keys{partition="1"}'], 1)
        self.assertEqual({samples['kvorum_peer_up{peer="2"}'], samples['kvorum_peer_up{peer="3"}']},
                         {1.0})


if __name__ == "__main__":
    unittest.main()
