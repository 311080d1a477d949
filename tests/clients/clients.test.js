// Stock Redis clients against a running cluster: KVORUM_PORTS names the nodes' ports, with commas.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import Redis from "ioredis";
import { createClient } from "redis";

const ports = process.env.KVORUM_PORTS.split(",").map(Number);

for (const port of ports) {
  test(`ioredis on port ${port}`, async () => {
    const redis = new Redis({ port, lazyConnect: true });
    await redis.connect();
    try {
      const key = `ioredis:${port}`;
      assert.equal(await redis.set(key, "v"), "OK");
      assert.equal(await redis.get(key), "v");
      assert.deepEqual(
        await redis
          .pipeline()
          .set(key, "1")
          .incr(key)
          .get(key)
          .mset("a", "1", "b", "2")
          .mget("a", "b")
          .exec(),
        [[null, "OK"], [null, 2], [null, "2"], [null, "OK"], [null, ["1", "2"]]],
      );
      assert.equal(await redis.set(key, "x", "PX", 60000, "NX"), null);
      assert.equal(await redis.expire(key, 100), 1);
      assert.ok((await redis.ttl(key)) > 90);
      assert.equal(await redis.del(key), 1);
      assert.equal(await redis.get(key), null);
      const binary = Buffer.from([0, 255, 13, 10, 36]);
      await redis.set(key, binary);
      assert.deepEqual(await redis.getBuffer(key), binary);
      await assert.rejects(redis.incr(key), /not an integer/);
      assert.match(await redis.call("KV.AT", "sequential", "PING").catch((e) => e.message), /data/);
      assert.equal((await redis.call("KV.AT", "sequential", "GET", "a")), "1");
      const keys = new Set();
      for await (const page of redis.scanStream({ match: "ioredis:*", count: 5 })) {
        page.forEach((found) => keys.add(found));
      }
      assert.ok(keys.has(key));
    } finally {
      redis.disconnect();
    }
  });

  for (const RESP of [2, 3]) {
    test(`node-redis on port ${port}, RESP${RESP}`, async () => {
      const client = createClient({ socket: { port }, RESP });
      client.on("error", () => {});
      await client.connect();
      try {
        const key = `node-redis:${port}:${RESP}`;
        assert.equal(await client.set(key, "v", { EX: 100 }), "OK");
        assert.equal(await client.get(key), "v");
        assert.ok((await client.ttl(key)) > 90);
        const all = [client.set(key, "1"), client.incr(key), client.get(key)];
        assert.deepEqual(await Promise.all(all), ["OK", 2, "2"]);
        assert.equal(await client.exists(key), 1);
        assert.equal(await client.append(key, "!"), 2);
        assert.equal(await client.getDel(key), "2!");
        assert.equal(await client.get(key), null);
        assert.equal(await client.sendCommand(["KV.AT", "prefix", "GET", key]), null);
        await assert.rejects(client.sendCommand(["NOSUCH"]), /unknown command/);
      } finally {
        client.destroy ? client.destroy() : await client.disconnect();
      }
    });
  }
}

test("keyspace 1 is leaderless", async () => {
  const redis = new Redis({ port: ports[0], db: 1, lazyConnect: true });
  const client = createClient({ socket: { port: ports[0] }, database: 1 });
  client.on("error", () => {});
  await Promise.all([redis.connect(), client.connect()]);
  try {
    assert.equal(await redis.set("shared", "v", "EX", 100), "OK");
    assert.equal(await client.get("shared"), "v");
    assert.ok((await client.ttl("shared")) > 90);
    assert.deepEqual(await client.mSet({ a: "1", b: "2" }), "OK");
    assert.deepEqual(await redis.mget("a", "b", "c"), ["1", "2", null]);
    assert.equal(await redis.call("KV.AT", "quorum", "GET", "a"), "1");
    await assert.rejects(redis.incr("a"), /REFUSED/);
    await assert.rejects(client.sendCommand(["SETNX", "a", "3"]), /REFUSED/);
    assert.equal(await client.del(["shared", "none"]), 1);
    await redis.select(0);
    assert.equal(await redis.get("a"), await redis.call("KV.AT", "linearizable", "GET", "a"));
  } finally {
    redis.disconnect();
    client.destroy ? client.destroy() : await client.disconnect();
  }
});

test("redis-cli", () => {
  const port = ["-p", String(ports[0])];
  const cli = (...args) =>
    execFileSync("redis-cli", [...port, ...args], { encoding: "utf8" }).trim();
  assert.equal(cli("set", "cli", "v"), "OK");
  assert.equal(cli("get", "cli"), "v");
  assert.equal(cli("-3", "get", "cli"), "v");
  assert.match(cli("KV.STATUS"), /^node:1 role:/);
  assert.match(cli("info", "replication"), /role:master/);
  assert.equal(cli("-n", "1", "set", "cli", "fast"), "OK");
  assert.equal(cli("-n", "1", "get", "cli"), "fast");
  assert.equal(cli("get", "cli"), "v");
});

test("redis-benchmark", () => {
  const text = execFileSync(
    "redis-benchmark",
    ["-p", String(ports[1]), "-t", "set,get,incr,mset", "-n", "2000", "-c", "20", "-P", "4", "-q"],
    { encoding: "utf8" },
  );
  assert.match(text, /SET: .*requests per second/);
  assert.doesNotMatch(text, /error/i);
  const fast = execFileSync(
    "redis-benchmark",
    ["-p", String(ports[1]), "--dbnum", "1", "-t", "set,get,mset", "-n", "2000", "-c", "20", "-q"],
    { encoding: "utf8" },
  );
  assert.match(fast, /GET: .*requests per second/);
  assert.doesNotMatch(fast, /error/i);
});
