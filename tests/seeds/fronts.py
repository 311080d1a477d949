"""Rows about protocols beside Redis'."""

import os
import re

from fronts_test import MEMCACHED, THREE_BYTE, talk
from lab import must, row


def three_bytes(cluster, node, *pieces):
    return talk(cluster.port(node) + THREE_BYTE, *pieces)


@row(8, "The protocol of three bytes: `px2`, `gx`, `d`", "S1",
     "`kvorum cluster start --three-byte`; `printf px2 \\| nc -N 127.0.0.1 11001`; `printf gx`; "
     "`printf d`",
     "`A`; `2`, at any node; `A`, and 26 lines in the node's log. Bytes may come split or joined; "
     "what is no success begins with an `E`")
def wire_protocol(lab):
    cluster = lab.cluster(3, "--three-byte")
    must(three_bytes(cluster, 1, b"px2") == b"A", "px2")
    for node in (1, 2, 3):
        must(three_bytes(cluster, node, b"gx") == b"2", f"gx at node {node}")
    must(three_bytes(cluster, 2, b"p", b"y", b"7", b"g", b"ypz9", b"gzga") == b"A7A90",
         "split and joined")
    must(three_bytes(cluster, 1, b"d") == b"A", "d")
    with open(os.path.join(cluster.data, "node1.log"), encoding="utf-8") as file:
        lines = re.findall(r"variable (\w) = (\d)\n", file.read())
    must(len(lines) == 26 and dict(lines)["x"] == "2" and dict(lines)["a"] == "0", lines)
    must(three_bytes(cluster, 1, b"pX2").startswith(b"E ERR "), "nonsense")
    return f"{len(lines)} lines"


@row(34, "Exchangeable store below; text protocols of Redis and memcached", "task of S0",
     "`kvorum cluster start --memcached --store mem`, or `rocks`; `redis-cli set a 5`; `redis-cli "
     "get a`; `printf 'set a 0 0 1\\r\\n6\\r\\nget a\\r\\n' \\| nc -N 127.0.0.1 10001`",
     "`OK`, `\"5\"`; `STORED`, `VALUE a 0 1`, `6`, `END`; either sees what the other wrote; a "
     "value of 5,000 bytes too")
def stores(lab):
    for store in ("mem", "rocks"):
        cluster = lab.cluster(1, "--store", store, "--memcached")
        port = cluster.port(1) + MEMCACHED
        long = b"x" * 5000
        with cluster.connect(1) as connection:
            must(connection.ask("set", "a", "5") == "OK", store)
            connection.send_raw(b"get a\r\n")  # a line typed by hand, as by telnet
            must(connection.read() == "5", store)
            must(talk(port, b"get a\r\n") == b"VALUE a 0 1\r\n5\r\nEND\r\n", store)
            must(talk(port, b"set a 0 0 1\r\n6\r\nget a\r\n") ==
                 b"STORED\r\nVALUE a 0 1\r\n6\r\nEND\r\n", store)
            must(connection.ask("get", "a") == "6", store)
            must(talk(port, b"set b 0 0 5000\r\n" + long + b"\r\n") == b"STORED\r\n", store)
            must(connection.ask("get", "b").encode() == long, store)
