// For tests: a client of one node of a TestCluster.
#pragma once

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "node/test_cluster.h"

namespace kvorum::node {

// One connection in keyspace `fast`, or another one.
class TestClient {
 public:
  TestClient(TestCluster& cluster, std::uint32_t at, const std::string& keyspace = "fast")
      : cluster_(cluster), at_(at), conn_(cluster.connect(at)) {
    if (!cluster_.run_until([&] { return ask("SELECT " + keyspace) == "OK"; })) {
      ADD_FAILURE() << "no keyspace " << keyspace;
    }
  }

  void send(const std::string& line) { cluster_.send(at_, conn_, words(line)); }
  ConnId conn() const { return conn_; }
  std::size_t count() const { return cluster_.replies(at_, conn_).size(); }
  const std::string& last() const { return cluster_.replies(at_, conn_).back(); }
  // Replies to what was sent since the last call.
  std::vector<std::string> packet(const std::vector<std::string>& lines) {
    const auto before = count();
    for (const auto& line : lines) {
      send(line);
    }
    cluster_.run_until([&] { return count() == before + lines.size(); });
    const auto& all = cluster_.replies(at_, conn_);
    return {all.begin() + static_cast<std::ptrdiff_t>(before), all.end()};
  }
  std::string ask(const std::string& line) {
    const auto replies = packet({line});
    return replies.empty() ? "no reply" : replies.back();
  }

 private:
  TestCluster& cluster_;
  std::uint32_t at_;
  ConnId conn_;
};

// Whether all hold the same rows.
inline bool same_digests(TestCluster& cluster, std::uint32_t nodes,
                         const std::string& keyspace = "fast") {
  std::set<std::string> digests;
  for (std::uint32_t at = 1; at <= nodes; ++at) {
    digests.insert(TestClient(cluster, at, keyspace).ask("KV.DIGEST"));
  }
  return digests.size() == 1;
}

}  // namespace kvorum::node
