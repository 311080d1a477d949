#include "app/order_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "check/history.h"
#include "model/command.h"
#include "model/meta.h"
#include "store/store.h"

namespace kvorum::app {
namespace {

constexpr std::size_t kReadBytes = std::size_t{8} << 20;

const char* word_of(Op op) {
  switch (op) {
    case Op::kSet:
    case Op::kMSet:
    case Op::kMSetNx:
    case Op::kSetNx:
      return "set";
    case Op::kDel:
    case Op::kGetDel:
      return "delete";
    case Op::kAppend:
      return "append";
    case Op::kIncrBy:
      return "incr";
    case Op::kCas:
      return "cas";
    case Op::kFlush:
      return "flush";
    default:
      return "write";
  }
}

void append_command(const Command& command, const std::string& place, std::string& out) {
  if (command.op == Op::kOnce && !command.args.empty()) {
    Reader reader(command.args[0]);
    if (Command inner; decode(reader, inner)) {
      append_command(inner, place, out);
    }
    return;
  }
  if (command.op == Op::kNoop || command.op == Op::kOpenClient || command.op == Op::kCloseClient) {
    return;
  }
  out += place + ' ' + word_of(command.op);
  for (const auto& arg : command.args) {
    out += ' ' + check::shown(arg);
  }
  if (command.op == Op::kIncrBy) {
    out += fmt::format(" {}", command.number);
  }
  out += '\n';
}

// Of a run that nodes sent again, only what the state machine takes.
class Runs {
 public:
  bool takes(const RunHead& head, std::uint32_t at) {
    auto& next = next_.try_emplace(head.client, 1).first->second;
    const bool fits = head.first_seq + at == next;
    next += fits ? 1 : 0;
    return fits;
  }

 private:
  std::map<ClientId, std::uint64_t> next_;
};

void append_entry(const Entry& entry, PartitionId partition, Runs& runs, std::string& out) {
  if (entry.type != EntryType::kCommands) {
    return;
  }
  const auto place = fmt::format("{} {}", partition.value(), entry.index.value());
  Reader reader(*entry.payload);
  while (!reader.rest().empty()) {
    const auto head = decode_run_head(reader);
    if (!head) {
      return;
    }
    Reader body(reader.take(head->bytes));
    Command command;
    for (std::uint32_t i = 0; i < head->count && decode(body, command); ++i) {
      if (runs.takes(*head, i)) {
        append_command(command, place, out);
      }
    }
  }
}

// A stopped node's log of one partition.
struct Log {
  const store::Store* store = nullptr;
  PartitionId partition;
  store::LogExtent extent;
};

// What is known to be committed of a partition, and the log of whoever knows it.
struct Committed {
  Index index;
  const store::Store* store = nullptr;
};

// Another entry than the one that was committed at its place: who wrote it did not live to hear of
// that. The same is true of all behind it.
bool superseded(const Entry& entry, PartitionId partition, const Committed& committed) {
  const auto term = committed.store->term_at(partition, entry.index);
  return term && *term != entry.term;
}

Result<std::string> read_log(const Log& log, const Committed& committed) {
  std::string out;
  Runs runs;
  const auto last = std::min(log.extent.last, committed.index);
  for (auto from = log.extent.first(); from <= last;) {
    const auto entries = log.store->read_log(log.partition, from, last, kReadBytes);
    if (!entries) {
      return tl::unexpected(entries.error());
    }
    for (const auto& entry : *entries) {
      if (superseded(entry, log.partition, committed)) {
        return out;
      }
      append_entry(entry, log.partition, runs, out);
    }
    from = entries->empty() ? last.next() : entries->back().index.next();
  }
  return out;
}

}  // namespace

Result<std::vector<std::string>> read_orders(const std::vector<std::string>& data_paths) {
  std::vector<std::unique_ptr<store::Store>> stores;
  std::vector<std::vector<Log>> logs;  // per node
  std::map<PartitionId, Committed> commits;
  for (const auto& path : data_paths) {
    store::RocksOptions options;
    options.path = path;
    auto store = store::open_rocks(options);
    if (!store) {
      return tl::unexpected(std::move(store.error()));
    }
    const auto partitions = (*store)->partitions();
    if (!partitions) {
      return tl::unexpected(partitions.error());
    }
    logs.emplace_back();
    for (const auto partition : *partitions) {
      const auto extent = (*store)->log(partition);
      const auto hard = (*store)->hard_state(partition);
      if (!extent || !hard) {
        return tl::unexpected(extent ? hard.error() : extent.error());
      }
      if (partition != kMetaPartition) {
        logs.back().push_back({store->get(), partition, *extent});
        auto& committed = commits[partition];
        if (committed.store == nullptr || hard->commit > committed.index) {
          committed = {hard->commit, store->get()};
        }
      }
    }
    stores.push_back(std::move(*store));
  }
  std::vector<std::string> orders;
  for (const auto& node : logs) {
    orders.emplace_back();
    for (const auto& log : node) {
      auto text = read_log(log, commits.at(log.partition));
      if (!text) {
        return tl::unexpected(std::move(text.error()));
      }
      orders.back() += *text;
    }
  }
  return orders;
}

}  // namespace kvorum::app
