// What a Machine holds.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kv/clients.h"
#include "kv/machine.h"
#include "kv/table.h"

namespace kvorum::kv {

struct Machine::State {
  State(PartitionId p, const Options& o) : partition(p), options(o) {}

  // At its place in the log: the run's position and what it is answered.
  struct Place {
    Version version;
    ReplyWriter& reply;
  };

  // A command of the run at work, with the place of its first key.
  struct Prepared {
    Command command;
    KeyRef first{ByteView()};
  };

  std::uint64_t next_of(ClientId client) const;
  void apply_runs(ByteView payload, Index index, Observer& observer);
  bool prepare(ByteView body, std::uint32_t count);
  bool apply_run(const RunHead& head, Version first, Observer& observer);
  void execute(const Command& command, const KeyRef& first, Place place);
  void flush();
  void open_client(ClientId id, ReplyWriter& reply);
  void once(const Command& command, Place place);
  void move_log_time(WallMs stamp);
  void missing(const Command& command, std::vector<ColdRow>& out) const;

  PartitionId partition;
  Options options;
  Table table;
  ClientTable<NodeClient> nodes;
  ClientTable<OnceClient> once_clients;
  Index applied;
  Term term;
  WallMs log_time;
  Generation generation{1};
  std::optional<Generation> dropped;  // the first generation dropped since the last take_dirty()
  std::vector<Prepared> prepared;     // reused from run to run
  std::vector<Rows> garbage;          // what FLUSHDB left behind, freed in slices
};

}  // namespace kvorum::kv
