"""Stock clients (redis-cli, redis-benchmark, ioredis, node-redis) against a real cluster."""

import os
import subprocess
import unittest

from harness import ClusterTest

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = os.path.join(HERE, "..", "clients")


class StockClients(ClusterTest):
    def test_all_of_them(self):
        if not os.path.isdir(os.path.join(CLIENTS, "node_modules")):
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=CLIENTS,
                           check=True)
        ports = ",".join(str(self.cluster.port(node)) for node in (1, 2, 3))
        done = subprocess.run(["npm", "test", "--silent"], cwd=CLIENTS, text=True,
                              capture_output=True, timeout=300,
                              env={**os.environ, "KVORUM_PORTS": ports})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("# fail 0", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
