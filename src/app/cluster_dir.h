// The directory of a cluster on this machine: its cluster.toml, and for each node its data, log and
// pid file, and the mark that it was formed once.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "app/config.h"
#include "app/process.h"
#include "base/error.h"

namespace kvorum::app {

class ClusterDir {
 public:
  explicit ClusterDir(const std::string& path);

  const std::string& shown() const { return shown_; }  // as the user wrote it
  std::string config_path() const { return (root_ / "cluster.toml").string(); }
  std::string log_path(NodeId node) const { return file(node, ".log").string(); }
  std::string data_path(NodeId node) const { return file(node, "").string(); }
  bool has_config() const {
    std::error_code unreadable;
    return std::filesystem::exists(config_path(), unreadable);
  }
  Result<ClusterConfig> config() const;
  Result<void> write_config(const ClusterConfig& config) const;

  // Creates the directory if asked to. Fails while another `kvorum cluster` command changes the
  // same cluster; goes on until this object is destroyed or unlock() is called.
  Result<void> lock(bool create);
  void unlock();
  ~ClusterDir() { unlock(); }
  ClusterDir(const ClusterDir&) = delete;
  ClusterDir& operator=(const ClusterDir&) = delete;

  // Only the first start of a node passes --init: one that lost its disk later must come back
  // without a vote. So this is remembered outside the node's own directory, and written before that
  // start. mark_formed() says whether it is the first one.
  Result<bool> mark_formed(NodeId node) const;
  // After a first start that failed before the node stored anything.
  void unmark_if_empty(NodeId node) const;

  // The node's server process, if it runs.
  std::optional<Process> find(NodeId node) const;
  Result<Process> start(NodeId node, Orphan orphan) const;

  // The end of the node's log: why it stopped.
  std::string last_log_line(NodeId node) const;

 private:
  std::filesystem::path file(NodeId node, const char* suffix) const {
    return root_ / ("node" + std::to_string(node.value()) + suffix);
  }
  std::set<NodeId> formed() const;
  Result<void> write_formed(const std::set<NodeId>& nodes) const;

  std::string shown_;
  std::filesystem::path root_;
  int lock_ = -1;
};

}  // namespace kvorum::app
