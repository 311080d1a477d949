// cluster.toml: who is in the cluster and where, and the settings that all nodes share.
// docs/cluster.example.toml describes every key.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "model/keyspace.h"
#include "model/main_words.h"

namespace kvorum::app {

struct NodeConfig {
  NodeId id;
  std::string host = "127.0.0.1";
  std::uint16_t resp_port = 0;
  std::uint16_t peer_port = 0;
  // 0: none.
  std::uint16_t http_port = 0;
  std::uint16_t memcached_port = 0;
  std::uint16_t three_byte_port = 0;

  // All of them, 0 included.
  std::array<std::uint16_t, 5> ports() const {
    return {resp_port, peer_port, http_port, memcached_port, three_byte_port};
  }
};

struct ClusterConfig {
  ClusterId cluster;
  Keyspace main = main_keyspace();
  std::int64_t election_timeout_ms = 300;
  std::int64_t heartbeat_ms = 50;
  std::int64_t request_timeout_ms = 5000;
  std::uint64_t max_value_bytes = std::uint64_t{16} << 20;
  std::uint64_t reserve_bytes = std::uint64_t{64} << 20;
  std::uint64_t memory_budget_bytes = 0;  // 0: no bound
  std::string store = "rocks";            // or mem
  // Of a request on a connection that names none. One of counts makes `main` leaderless.
  std::string level = "linearizable";
  std::string log_level = "info";
  std::vector<std::string> http_origins;  // of web pages that may use HTTP
  std::vector<NodeConfig> nodes;          // ascending ids

  const NodeConfig* find(NodeId id) const;
};

inline constexpr std::uint32_t kMaxPartitions = 1024;
inline constexpr std::uint64_t kMaxValueBytes = std::uint64_t{512} << 20;
inline constexpr std::uint32_t kMaxNodes = 99;

bool is_log_level(const std::string& word);  // debug, info, warn, error
bool is_store(const std::string& word);      // rocks, mem

// Errors are one line and name file, line and key: "cluster.toml:12: unknown key 'prot' in
// [[node]]".
Result<ClusterConfig> parse_config(const std::string& text, const std::string& file_name);
Result<ClusterConfig> load_config(const std::string& path);

// What parse_config() reads back.
std::string format_config(const ClusterConfig& config);

}  // namespace kvorum::app
