#include "node/journal.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace kvorum::node {
namespace {

constexpr std::size_t kReadBytes = std::size_t{4} << 20;  // of a log, at a time
constexpr std::size_t kHurry = 128;  // memory is short: a part of what a log else holds at least

// False: malformed.
bool read_entry(const Entry& entry, dynamo::RowList& rows) {
  return entry.type == EntryType::kRows && rows.read(*entry.payload);
}

Result<void> visit_log(const store::Store& store, PartitionId partition,
                       const std::function<bool(const Entry& entry)>& visit) {
  const auto extent = store.log(partition);
  if (!extent) {
    return tl::unexpected(extent.error());
  }
  for (auto from = extent->first(); from <= extent->last;) {
    const auto entries = store.read_log(partition, from, extent->last, kReadBytes);
    if (!entries) {
      return tl::unexpected(entries.error());
    }
    for (const auto& entry : *entries) {
      if (!visit(entry)) {
        return fail(ErrorCode::kCorrupt, "entry {} of partition {} is damaged", entry.index.value(),
                    partition.value());
      }
    }
    from = entries->back().index.next();
  }
  return {};
}

}  // namespace

Result<void> visit_rows(const store::Store& store, PartitionId partition, Generation generation,
                        const RowVisit& visit) {
  const auto rows = store.rows(partition, generation);
  for (; rows->valid(); rows->next()) {
    if (!visit(rows->key(), rows->value(), true)) {
      return fail(ErrorCode::kCorrupt, "a row of partition {} is damaged", partition.value());
    }
  }
  if (const auto status = rows->status(); !status) {
    return status;
  }
  dynamo::RowList list;
  return visit_log(store, partition, [&](const Entry& entry) {
    if (!read_entry(entry, list)) {
      return false;
    }
    for (const auto& [key, row] : list) {
      if (entry.term.value() == generation.value() && !visit(key, row, false)) {
        return false;
      }
    }
    return true;
  });
}

Result<void> Journal::open(const store::Store& store, PartitionId partition, Generation generation,
                           const RowVisit& visit) {
  const auto extent = store.log(partition);
  if (!extent) {
    return tl::unexpected(extent.error());
  }
  Log& log = logs_[partition];
  log.last = extent->last;
  log.generation = generation;
  dynamo::RowList rows;
  const auto noted = visit_log(store, partition, [&](const Entry& entry) {
    const bool whole = read_entry(entry, rows);
    if (whole && entry.term.value() == generation.value()) {
      note(log, rows);
    }
    return whole;
  });
  return noted ? visit_rows(store, partition, generation, visit) : noted;
}

void Journal::note(Log& log, const dynamo::RowList& rows) {
  log.bytes += rows.bytes().size();
  for (const auto& [key, row] : rows) {
    if (!row.empty()) {
      break;  // the core tells of what is gone first
    }
    log.gone.emplace_back(key);
  }
}

void Journal::write(dynamo::RowsWrite write, dynamo::Table* table, store::Batch& batch) {
  Log& log = logs_[write.partition];
  log.generation = write.generation;
  note(log, write.rows);
  const auto rows = write.rows.size();
  log.last = log.last.next();
  batch.operations.push_back(
      store::AppendLog{write.partition,
                       {Entry{Term(write.generation.value()), log.last, EntryType::kRows, WallMs(),
                              share(write.rows.take_bytes())}}});
  if (table == nullptr) {
    return;
  }
  if (!log.covers && log.bytes >= std::max(least_, table->row_bytes())) {
    begin_checkpoint(log, write.partition, *table, batch);
  }
  if (log.covers) {
    // Twice as fast as the table may grow meanwhile, so that the log does not get longer than twice
    // what it may be.
    go_on(log, write.partition, *table, 2 * rows, batch);
  }
}

void Journal::begin_checkpoint(Log& log, PartitionId partition, const dynamo::Table& table,
                               store::Batch& batch) {
  store::RowChanges changes;
  for (const Bytes& key : log.gone) {
    if (table.print(key) == 0) {
      changes.erase(key);
    }
  }
  batch.operations.push_back(store::ChangeRows{partition, log.generation, std::move(changes)});
  log.gone.clear();
  log.bytes = 0;
  log.covers = log.last;
  log.next = 0;
}

void Journal::go_on(Log& log, PartitionId partition, dynamo::Table& table, std::size_t rows,
                    store::Batch& batch) {
  store::RowChanges changes;
  const bool done = table.take_unput(log.next, rows, [&](const dynamo::Table::Item& item) {
    changes.put(item.key, item.row);
    put_.emplace_back(partition, dynamo::KeyPrint{item.hash, item.print});
  });
  batch.operations.push_back(store::ChangeRows{partition, log.generation, std::move(changes)});
  if (done) {
    batch.operations.push_back(
        store::CompactLog{partition, log.covers.next(), Term(log.generation.value())});
    log.covers = Index();
  }
}

bool Journal::may_hurry(PartitionId partition) const {
  const auto log = logs_.find(partition);
  return log != logs_.end() && (log->second.covers || log->second.bytes > least_ / kHurry);
}

void Journal::hurry(PartitionId partition, dynamo::Table& table, std::size_t rows,
                    store::Batch& batch) {
  Log& log = logs_[partition];
  if (!log.covers) {
    begin_checkpoint(log, partition, table, batch);
  }
  go_on(log, partition, table, rows, batch);
}

void Journal::drop_rows(PartitionId partition, Generation generation, store::Batch& batch) {
  batch.operations.push_back(store::DropGeneration{partition, generation});
  Log& log = logs_[partition];
  const auto last = log.last;
  log = {};
  log.last = last;
  if (last) {
    batch.operations.push_back(store::CompactLog{partition, last.next(), Term(generation.value())});
  }
}

void Journal::drop(PartitionId partition, store::Batch& batch) {
  batch.operations.push_back(store::DropPartition{partition});
  logs_.erase(partition);
}

}  // namespace kvorum::node
