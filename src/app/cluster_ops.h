// What `kvorum cluster` does: real server processes on this machine. Every function prints what
// happened and gives the program's exit code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/ids.h"

namespace kvorum::app {

struct StartOptions {
  std::string data;
  // Empty: the default, or what the cluster was formed with.
  std::optional<std::uint32_t> nodes;
  std::optional<std::uint32_t> base_port;
  std::optional<std::string> store;
  std::optional<std::uint64_t> memory_budget_bytes;
  std::optional<std::vector<std::string>> http_origins;
  MainWords main;
  bool memcached = false;
  bool three_byte = false;
  bool detach = false;
};

int cluster_start(const StartOptions& options);
int cluster_stop(const std::string& data);
int cluster_status(const std::string& data);
int cluster_kill(const std::string& data, NodeId node, bool hard);
int cluster_restart(const std::string& data, NodeId node);

}  // namespace kvorum::app
