// The state machine of one partition: applies the log's entries, in order, to rows in memory.
// Deterministic: the same entries give the same rows, replies and digest on every node.
// Single-threaded, no clock.
//
// Log time. Every entry carries the leader's wall clock. A row whose deadline <= the stamp of the
// last applied entry is gone, for reads and writes alike. Relative deadlines become absolute here:
// stamp + ttl.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/error.h"
#include "model/command.h"
#include "model/entry.h"
#include "model/reply.h"
#include "store/store.h"

namespace kvorum::kv {

struct Options {
  std::size_t max_value_bytes = std::size_t{16}
                                << 20;            // decides what is applied: alike on all nodes
  std::size_t once_window = 256;                  // replies kept per KV.ONCE client
  std::size_t once_bytes = std::size_t{1} << 20;  // and their bytes
  std::int64_t client_idle_ms = 600'000;  // log time after which an idle KV.ONCE client is closed
  std::size_t free_slice = 4096;  // rows of a dropped generation freed per call of free_some()
};

// Who wants to know what happens while entries are applied. Called in the order of the log.
class Observer {
 public:
  virtual ~Observer() = default;
  // Right before command `seq` of this client takes effect. Reads that the node owes an answer
  // before this write can be served now. Returns where the reply goes.
  virtual ReplyWriter& before(ClientId client, std::uint64_t seq) = 0;
  // Right after it took effect, before the next command. Reads waiting behind it can be served now.
  virtual void after(ClientId client, std::uint64_t seq, Version version) = 0;
  // A run of this client began beyond `expected`, or carried malformed commands: nothing of it was
  // applied.
  virtual void refused(ClientId client, std::uint64_t expected) = 0;
};

// What a read may lean on beyond the rows.
struct ReadContext {
  WallMs wall;  // the node's clock: only to make TTL answers count down between entries
};

// A row whose value is on the disk alone: its key as the store has it, and its version.
struct ColdRow {
  Bytes key;
  Version version;
};

class Machine {
 public:
  Machine(PartitionId partition, const Options& options);
  ~Machine();
  Machine(Machine&&) noexcept;
  Machine& operator=(Machine&&) noexcept;

  // Applies the entry at applied() + 1. kConfig and kEmpty entries only move index, term and log
  // time.
  //
  // Runs (model/command.h) are applied go-back-N: the machine keeps, per node client, the next
  // number it expects. A run that lies wholly below it is skipped in silence, the part below of an
  // overlapping one too; one that begins above it is refused. The table is part of the replicated
  // state. A client idle for client_idle_ms of log time is forgotten only while more than 1024 are
  // known: an idle node keeps its place, and boots that were replaced can't pile up for ever. A
  // command with wrong arguments or an op that doesn't exist is answered with an error and counts.
  //
  // KV.ONCE (Op::kOnce): number = client, number2 = seq. Not open: answers error kUnknown, applies
  // nothing. seq below the answered mark: kUnknown. seq answered before and kept: the kept reply,
  // byte for byte. A window full of unanswered replies: kBusy, applies nothing. Clients are opened
  // by kOpenClient.
  void apply(const Entry& entry, Observer& observer);

  // Serves a read command (Op >= 64) from the applied state.
  //
  // kScan: rows are walked in the order (slot, key hash, key). The cursor is a position in that
  // order, not in the table, so it survives rehash, restart and a change of node; a key present
  // throughout is returned. number = cursor (0: start), number2 = count hint; args[0], if any, a
  // glob. Answers array(2): next cursor as a bulk decimal ("0": done), array of keys. A cursor
  // packs slot (14 bits) and the upper 48 bits of the key's hash; rows that share both come in one
  // answer.
  //
  // Gives the version of the row that kGet found; 0 for all else.
  Version read(const Command& command, const ReadContext& context, ReplyWriter& reply) const;

  // Direct look at one row's value, without reply, for the node's own metadata. Empty optional:
  // absent or expired.
  std::optional<Bytes> get(ByteView key) const;
  // Calls visit(key, value) for every live row, in no particular order.
  void each(const std::function<void(ByteView, ByteView)>& visit) const;

  // The number that the next run of a node's client begins with: what lies below has been applied.
  std::uint64_t next_of(ClientId client) const;

  Index applied() const;
  Term applied_term() const;
  WallMs log_time() const;
  std::size_t size() const;          // live rows
  std::size_t memory_bytes() const;  // estimate of what the rows take
  std::optional<WallMs> next_deadline()
      const;  // of the row that expires first: the leader then proposes an empty entry
  std::uint64_t digest() const;  // over every live row: key, value, version, deadline.
                                 // Order-independent, kept up as rows change

  // Durability. Rows change in memory first; take_dirty() appends to the batch what changed since
  // the last call: rows (their present value), dropped generations, clients, and the partition
  // record with generation, applied index and term, log time. `config` is carried in the record for
  // whoever reads a snapshot.
  std::size_t dirty_bytes() const;
  void take_dirty(ByteView config, store::Batch& batch);

  // Partition record: what a snapshot or a restart must know besides the rows.
  struct Record {
    Generation generation;
    Index applied;
    Term term;
    WallMs log_time;
    Bytes config;
  };
  static Bytes encode(const Record& record);
  static std::optional<Record> decode(ByteView bytes);

  // Loading, at start or from a snapshot: rows in any order, then the record. False: malformed
  // bytes. `cold`: a row's value stays on the disk, if that is worth it.
  bool load_row(ByteView key, ByteView value, bool cold = false);
  void load_record(const Record& record);

  // Rows colder than memory (docs/architecture.md): their keys, versions, deadlines and digests are
  // here, their values on the disk alone. Whoever applies or reads asks first what is missing.

  std::size_t cold() const;  // such rows
  // Adds the cold rows whose values the command, or a command of the entry, needs; some twice.
  void missing(const Command& command, std::vector<ColdRow>& out) const;
  void missing(const Entry& entry, std::vector<ColdRow>& out) const;
  // Gives a row its value back, from what the store has under its key. A row that changed since it
  // was missing, or is no longer cold, stays as it is. False: damage, the store has not the row
  // that this one is.
  bool restore(const ColdRow& row, const std::optional<Bytes>& stored);
  // Looks at `count` rows and makes those cold that are used least; only when all that take_dirty()
  // gave is written. False: none is left that could become cold before the next take_dirty() or
  // restore().
  bool evict(std::size_t count);

  bool free_some();  // frees a slice of what FLUSHDB left behind; true while more is left
  Generation generation() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kvorum::kv
