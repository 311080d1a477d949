#include "app/config.h"

#include <gtest/gtest.h>

#include <string>

namespace kvorum::app {
namespace {

constexpr const char* kGood = R"(cluster = "abc"
[[node]]
id = 2
resp_port = 7002
peer_port = 8002
[[node]]
id = 1
host = "localhost"
resp_port = 7001
peer_port = 8001
http_port = 9001
)";

std::string error_of(const std::string& text) {
  const auto config = parse_config(text, "c.toml");
  return config ? "none" : config.error().detail;
}

// kGood with one piece replaced.
std::string with(const std::string& from, const std::string& to) {
  std::string text = kGood;
  return text.replace(text.find(from), from.size(), to);
}

TEST(Config, TheDocumentedExampleIsReadAndHasEveryDefault) {
  const auto config = load_config(KVORUM_SOURCE_DIR "/docs/cluster.example.toml");
  ASSERT_TRUE(config) << config.error().detail;
  const ClusterConfig defaults;
  EXPECT_EQ(config->cluster, ClusterId(0x5eed00c0ffee1234));
  EXPECT_EQ(config->main, defaults.main);
  EXPECT_EQ(config->election_timeout_ms, defaults.election_timeout_ms);
  EXPECT_EQ(config->heartbeat_ms, defaults.heartbeat_ms);
  EXPECT_EQ(config->request_timeout_ms, defaults.request_timeout_ms);
  EXPECT_EQ(config->max_value_bytes, defaults.max_value_bytes);
  EXPECT_EQ(config->reserve_bytes, defaults.reserve_bytes);
  EXPECT_EQ(config->memory_budget_bytes, defaults.memory_budget_bytes);
  EXPECT_EQ(config->store, defaults.store);
  EXPECT_EQ(config->level, defaults.level);
  EXPECT_EQ(config->log_level, defaults.log_level);
  ASSERT_EQ(config->nodes.size(), 3u);
  EXPECT_EQ(config->nodes[2].http_port, 9003);
}

TEST(Config, NodesAreSortedAndOptionalKeysMayMiss) {
  const auto config = parse_config(kGood, "c.toml");
  ASSERT_TRUE(config) << config.error().detail;
  ASSERT_EQ(config->nodes.size(), 2u);
  EXPECT_EQ(config->nodes[0].id, NodeId(1));
  EXPECT_EQ(config->nodes[0].host, "localhost");
  EXPECT_EQ(config->nodes[1].host, "127.0.0.1");
  EXPECT_EQ(config->nodes[1].http_port, 0);
  EXPECT_EQ(config->find(NodeId(2))->peer_port, 8002);
  EXPECT_EQ(config->find(NodeId(3)), nullptr);
}

TEST(Config, WhatIsWrittenIsReadBack) {
  auto config = *parse_config(kGood, "c.toml");
  config.cluster = ClusterId(~0ull);
  config.main.partitions = 7;
  config.store = "mem";
  config.level = "sequential";
  config.log_level = "debug";
  config.nodes[1].memcached_port = 11211;
  config.nodes[0].three_byte_port = 1234;
  const auto text = format_config(config);
  const auto back = parse_config(text, "c.toml");
  ASSERT_TRUE(back) << back.error().detail;
  EXPECT_EQ(format_config(*back), text);
}

// name: core/n/w/r/conflict/durability/partitions, or the error.
std::string main_of(const MainWords& words, std::size_t members = 3) {
  const auto main = describe_main(words, members);
  if (!main) {
    return main.error().detail;
  }
  if (!main->leaderless()) {
    return "ordered/" + std::to_string(main->partitions);
  }
  const auto dash = [](int number) { return std::to_string(number) + '/'; };
  return dash(main->n) + dash(main->w) + dash(main->r) + to_string(main->conflict) + '/' +
         durability_word(*main) + '/' + std::to_string(main->partitions);
}

TEST(Config, TheLevelDecidesTheCoreOfMainAndItsCounts) {
  EXPECT_EQ(main_of({}), "ordered/1");
  EXPECT_EQ(main_of({.level = "sequential", .partitions = 4}), "ordered/4");
  EXPECT_EQ(main_of({.level = "eventual"}), "3/1/1/lww/interval:100ms/12");
  EXPECT_EQ(main_of({.level = "one"}), main_of({.level = "eventual"}));
  EXPECT_EQ(main_of({.level = "quorum"}, 5), "3/2/2/lww/interval:100ms/12");
  EXPECT_EQ(main_of({.level = "quorum", .n = 5}, 5), "5/3/3/lww/interval:100ms/12");
  EXPECT_EQ(main_of({.level = "all"}, 2), "2/2/2/lww/interval:100ms/12");
  EXPECT_EQ(main_of({.level = "w=3,r=1"}), "3/3/1/lww/interval:100ms/12");
  EXPECT_EQ(main_of({.level = "eventual", .w = 2, .r = 2}, 4), "3/2/2/lww/interval:100ms/12");
  EXPECT_EQ(
      main_of(
          {.level = "all", .partitions = 5, .w = 1, .conflict = "siblings", .durability = "fsync"}),
      "3/1/3/siblings/fsync/5");
}

TEST(Config, WhatMainCannotBeIsSaid) {
  EXPECT_EQ(main_of({.level = "eventual", .w = 4}),
            "n=3 w=4 r=1: there are 3 nodes, and w and r are at most n");
  EXPECT_EQ(main_of({.level = "eventual", .n = 4}),
            "n=4 w=1 r=1: there are 3 nodes, and w and r are at most n");
  EXPECT_EQ(main_of({.level = "eventual", .n = 2, .r = 3}, 5),
            "n=2 w=1 r=3: there are 5 nodes, and w and r are at most n");
  EXPECT_EQ(main_of({.level = "eventual", .durability = "maybe"}),
            "'durability=maybe' does not describe a leaderless keyspace");
  for (const auto* word : {"causal", "session", "bounded:5ms", "nonsense", "all,sloppy", ""}) {
    EXPECT_TRUE(main_of({.level = word}).find("' is no level to begin with") != std::string::npos)
        << word;
  }
  for (const MainWords& words : {MainWords{.w = 2}, MainWords{.r = 2}, MainWords{.n = 3},
                                 MainWords{.conflict = "lww"}, MainWords{.durability = "fsync"}}) {
    EXPECT_TRUE(main_of(words).starts_with("N, W, R, conflict and durability are for leaderless"))
        << main_of(words);
  }
}

TEST(Config, ALeaderlessMainIsWrittenAndReadBack) {
  const auto config =
      parse_config(with("[[node]]", "level = \"quorum\"\nconflict = \"siblings\"\n[[node]]"), "c");
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->main.w, 2);
  EXPECT_EQ(config->main.n, 2);
  EXPECT_EQ(config->main.conflict, Conflict::kSiblings);
  const auto text = format_config(*config);
  const auto back = parse_config(text, "c");
  ASSERT_TRUE(back) << back.error().detail;
  EXPECT_EQ(back->main, config->main);
  EXPECT_EQ(format_config(*back), text);
}

TEST(Config, ErrorsNameLineAndKey) {
  const struct {
    std::string text;
    const char* error;
  } cases[] = {
      {with("resp_port = 7002", "prot = 7002"), "c.toml:4: unknown key 'prot' in [[node]]"},
      {with("[[node]]", "partitoins = 4\n[[node]]"),
       "c.toml:2: unknown key 'partitoins' in the cluster's settings"},
      {with("id = 2", "id = \"2\""), "c.toml:3: id must be a whole number"},
      {with("id = 2", "id = 0"), "c.toml:3: id must be from 1 to 99"},
      {with("7002", "70000"), "c.toml:4: resp_port must be from 1 to 65535"},
      {with("resp_port = 7002\n", ""), "c.toml:2: key 'resp_port' is missing in [[node]]"},
      {with("\"localhost\"", "7"), "c.toml:8: host must be a text in quotes"},
      {with("\"abc\"", "\"xyz\""), "c.toml:1: cluster must be 1 to 16 hex digits, not all zero"},
      {with("\"abc\"", "\"0\""), "c.toml:1: cluster must be 1 to 16 hex digits, not all zero"},
      {with("[[node]]", "log_level = \"loud\"\n[[node]]"),
       "c.toml:2: log_level must be one of debug, info, warn, error"},
      {with("[[node]]", "heartbeat_ms = 200\n[[node]]"),
       "c.toml:1: election_timeout_ms must be at least twice heartbeat_ms"},
      {with("[[node]]", "w = 3\nlevel = \"one\"\n[[node]]"),
       "c.toml:3: n=2 w=3 r=1: there are 2 nodes, and w and r are at most n"},
      {with("[[node]]", "level = \"one\"\nr = 0\n[[node]]"), "c.toml:3: r must be from 1 to 9"},
      {with("id = 1", "id = 2"), "c.toml: two nodes have the id 2"},
      {with("peer_port = 8002", "peer_port = 7002"), "c.toml: 127.0.0.1:7002 is named twice"},
      {"cluster = \"a\"\n", "c.toml:1: no [[node]] is named"},
      {"cluster = \"a\"\nnode = 3\n", "c.toml:2: node must be written as [[node]]"},
  };
  for (const auto& [text, error] : cases) {
    EXPECT_EQ(error_of(text), error);
  }
}

TEST(Config, BrokenSyntaxIsOneLineWithItsPlace) {
  for (const std::string text : {"cluster = \n", "cluster = \"a\"\n[[node\n", "a = 1\na = 2\n",
                                 "= 3\n", "cluster = 'a\n", "\x01\x02\x03"}) {
    const auto error = error_of(text);
    EXPECT_TRUE(error.starts_with("c.toml:")) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
  EXPECT_NE(error_of(""), "none");
}

TEST(Config, AMissingFileIsNamed) {
  const auto config = load_config("/nonexistent/cluster.toml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().detail, "/nonexistent/cluster.toml: No such file or directory");
}

}  // namespace
}  // namespace kvorum::app
