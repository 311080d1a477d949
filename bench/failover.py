"""Kills the leader (kill -9) again and again; prints the time until another node takes a write.

usage: failover.py KVORUM DATA BASE_PORT ROUNDS
"""

import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
from harness import Connection, RespError, wait_for  # noqa: E402

binary, data, base, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def leader():
    for node in (1, 2, 3):
        try:
            with Connection(base + node - 1) as connection:
                if " role:leader" in connection.ask("KV.STATUS").splitlines()[0]:
                    return node
        except (OSError, RespError):
            pass
    return None


def cluster(verb, *args):
    subprocess.run([binary, "cluster", verb, *args, "--data", data], check=True,
                   capture_output=True)


times = []
for number in range(rounds):
    victim = wait_for(leader, "a leader")
    with Connection(base + victim % 3) as connection:
        connection.ask("SET", "failover", number)
        cluster("kill", str(victim), "--hard")
        start = time.monotonic()
        wait_for(lambda: connection.ask("SET", "failover", number) == "OK", "a write")
        times.append(time.monotonic() - start)
    cluster("restart", str(victim))
    wait_for(leader, "a leader")
print(f"fail-over after kill -9 of the leader: median {statistics.median(times) * 1000:.0f} ms, "
      f"worst {max(times) * 1000:.0f} ms of {rounds}")
