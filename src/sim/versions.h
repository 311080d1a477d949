// What must hold of leaderless keys, whatever goes wrong around them, looked at from outside: every
// version that was ever made, who has seen it, what it replaced, and what became of it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "dynamo/core.h"
#include "model/keyspace.h"
#include "sim/free_load.h"
#include "sim/server.h"

namespace kvorum::sim {

// At every step: a dot is one version; its maker's counters and stamps rise over all its lives; a
// write leaves nothing beside it that it has seen; what a replica held and let go does not come
// back to it. At every acknowledgement: W replicas have seen the write, on their disks if the
// keyspace is fsynced, and disks keep it. At every answered read: with R + W > N, it tells of what
// was acknowledged, or read, before it began. At rest: the replicas of a partition hold the same
// rows; what was acknowledged is there, or was replaced by a write that had seen it, or lost by the
// keyspace's rule and stands in a ledger; what an acknowledged write replaced is not there. Exempt
// are writes that at some moment no replica had any more; for reads, those that any replica lost.
class Versions {
 public:
  using Fail = std::function<void(const char* invariant, const std::string& why)>;
  using Servers = std::map<NodeId, std::unique_ptr<Server>>;

  Versions(const Servers& servers, const Options& options, Fail fail);

  void started(const Server& server);  // with what its disk has kept
  void turn(const Server& server);
  std::uint64_t fenced() const { return fenced_; }    // and started over
  std::uint64_t fetches() const { return fetches_; }  // of rows whose values had left memory
  void acknowledged(const FreeWrite& write, const FreeAck& ack, Instant now);
  void answered(const FreeRead& read, Instant now);
  // Why replicas are not equal yet; empty: they are. All servers run.
  std::string unrest() const;
  // At rest.
  void judge();

  std::uint64_t made() const { return made_.size(); }
  std::uint64_t acked() const { return acked_.size(); }
  std::uint64_t lost() const { return lost_.size(); }
  std::uint64_t losers() const { return losers_.size(); }

 private:
  struct Key {
    KeyspaceId keyspace;
    PartitionId partition;
    std::string name;
    bool fsync = false;
    Conflict conflict = Conflict::kLww;
    std::vector<Dot> dots;             // of all its versions
    std::vector<Dot> spreading;        // those that some replica has not seen yet
    std::vector<Dot> told;             // to clients, those that do not expire
    std::map<NodeId, dynamo::Row> at;  // as each replica had it last
  };
  struct Made {
    Key* key = nullptr;
    dynamo::Sibling version;
    std::set<Dot> replaced;  // what its maker's row lost by it
    std::set<Dot> beside;    // ... and kept
    std::set<NodeId> seen_by;
    std::set<NodeId> on_disk_of;             // when it was acknowledged
    std::set<NodeId> dropped_by;             // with its row, as all had passed it
    bool thinned = false;                    // some replica had seen it, and knows no more of it
    std::map<std::size_t, Instant> held_by;  // so many, as far as clients know, from then on
  };
  struct Life {  // of a node
    Incarnation disk;
    Incarnation replica;
    std::uint64_t conflicts = 0;
    std::uint64_t fetches = 0;
    std::set<Dot> let_go;
    std::set<Dot> swept;  // versions that it holds of the keyspace that is flushed
  };

  void learn_keyspaces(const Server& server);
  // The values of a cold row, as its dots name them.
  dynamo::Row whole(const dynamo::Row& row) const;
  void look(const Server& server, PartitionId partition, const dynamo::Table& table);
  void look_at_swept(const Server& server);
  void compare(const Server& server, Key& key, const dynamo::Row& row);
  void note(const Server& server, Key& key, const dynamo::Sibling& sibling,
            const dynamo::Row& before, const dynamo::Row& row);
  void note_seen(NodeId node, Key& key, const dynamo::Row& row);
  void note_losers(const Server& server);
  void begin_life(const Server& server, bool same_disk);
  void came_back(const Server& server, Key& key, const dynamo::Row& row, bool same_disk);
  void check_stands(const FreeWrite& write, const Made& made, const Dot& dot);
  void check_quorum(const FreeWrite& write, Made& made, const Dot& dot);
  std::string difference(const dynamo::Core& a, const dynamo::Core& b, PartitionId partition) const;
  void note_held(Made& made, std::size_t replicas, Instant now);
  bool tells_of(const Key& key, const FreeRead& read, const Made& made) const;
  bool explained(const Dot& dot) const;
  std::string told(const Dot& dot) const;

  const Servers& servers_;
  const Options& options_;
  Fail fail_;
  std::vector<NodeId> members_;
  KeyspaceTable table_;
  std::map<NodeId, Index> table_seen_;
  std::map<PartitionId, std::vector<std::unique_ptr<Key>>> keys_;
  std::map<std::pair<std::string, std::string>, Key*> by_name_;  // keyspace, key
  std::map<NodeId, Life> lives_;
  std::map<Dot, Made> made_;
  std::map<std::string, Dot> by_value_;
  std::map<ReplicaId, std::pair<std::uint64_t, HybridTime>> newest_;
  std::set<Dot> replaced_;
  std::set<Dot> losers_;
  std::set<Dot> lost_;
  std::set<Dot> acked_;
  std::uint64_t fenced_ = 0;
  std::uint64_t fetches_ = 0;
};

}  // namespace kvorum::sim
