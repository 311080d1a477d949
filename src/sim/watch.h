// What must hold at every step, whatever goes wrong around it: Raft's safety properties (Ongaro &
// Ousterhout 2014, figure 3), looked at from outside after each turn of each node.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "node/node.h"
#include "sim/server.h"

namespace kvorum::sim {

// Election safety: at most one leader a term; nobody votes twice in a term, before or after a
// restart. Leader completeness: a new leader has every committed entry. Log matching: one entry
// for an index and term. State machine safety: one entry for a committed index, and one state
// behind it. Commitment (section 5.4.2): a leader counts only for entries of its own term.
// Durability: what is committed stands on the disks of a majority, and what is
// acknowledged on the disk of who acknowledged it.
class Watch {
 public:
  using Fail = std::function<void(const char* invariant, const std::string& why)>;

  Watch(const std::map<NodeId, std::unique_ptr<Server>>& servers, std::uint32_t partitions,
        Fail fail)
      : servers_(servers), partitions_(partitions), fail_(std::move(fail)) {}

  void started(const Server& server);  // reads what its disk holds
  void turn(const Server& server, const node::Output& out);

  std::uint64_t elections() const { return elections_; }
  std::uint64_t committed() const { return committed_; }
  std::uint64_t snapshots() const { return snapshots_; }

 private:
  struct Log {  // of one node: terms of what it holds in memory
    Index base;
    Term base_term;
    std::vector<Term> terms;  // of base + 1, ...
    Index commit;             // seen so far
    Index applied;
    Term led;  // at the end of its last turn; 0: it did not lead
    // Highest term in which it voted or acknowledged; outlives the process, not the disk.
    Term promised;
    Incarnation incarnation;

    Index last() const { return base + terms.size(); }
    Term at(Index index) const { return index == base ? base_term : terms[index - base - 1]; }
    bool holds(Index index) const { return index >= base && index <= last(); }
  };
  struct Decided {
    Term term;
    std::uint64_t digest = 0;  // of the state behind it, once somebody was seen there
    bool has_digest = false;
  };
  struct Group {
    std::map<Term, NodeId> leaders;
    std::map<std::pair<Term, NodeId>, NodeId> votes;
    std::map<std::pair<Index, Term>, std::uint64_t> entries;  // checksums; young ones only
    std::vector<Decided> decided;                             // of index 1, ...
  };

  void follow(const Server& server, const store::Operation& operation);
  void append(const Server& server, const store::AppendLog& append);
  void check_message(const Server& server, const node::Output::PeerMessage& message);
  void check_acknowledgement(const Server& server, PartitionId id, const raft::Message& message);
  void check_leader(const Server& server, PartitionId id, Term term);
  void check_commit(const Server& server, PartitionId id);
  void decide(const Server& server, PartitionId id, Index index, Term term);
  void check_state(const Server& server, PartitionId id);
  void vote(PartitionId id, Term term, NodeId voter, NodeId candidate);

  const std::map<NodeId, std::unique_ptr<Server>>& servers_;
  std::uint32_t partitions_;
  Fail fail_;
  std::map<PartitionId, Group> groups_;
  std::map<std::pair<NodeId, PartitionId>, Log> logs_;
  std::uint64_t elections_ = 0;
  std::uint64_t committed_ = 0;
  std::uint64_t snapshots_ = 0;
};

}  // namespace kvorum::sim
