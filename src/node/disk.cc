#include "node/disk.h"

#include "base/codec.h"
#include "kv/machine.h"

namespace kvorum::node {

void Disk::run(std::vector<DiskJob> jobs, std::vector<DiskDone>& done) {
  for (auto& job : jobs) {
    if (auto* write = std::get_if<WriteJob>(&job)) {
      forget_dropped(write->batch);
      pending_.push_back(std::move(*write));
    } else if (std::holds_alternative<RetryJob>(job)) {
      tell_space(store_.low_on_space(), done);
    } else if (const auto* load_job = std::get_if<LoadJob>(&job)) {
      write_pending(done);
      load(*load_job, done);
    } else if (auto* fetch_job = std::get_if<FetchJob>(&job)) {
      fetch(std::move(*fetch_job), done);
    } else {
      write_pending(done);
      read_snapshot(std::get<SnapshotJob>(job), done);
    }
  }
  write_pending(done);
}

// Nobody asks for the rest of their snapshots.
void Disk::forget_dropped(const store::Batch& batch) {
  for (const auto& operation : batch.operations) {
    if (const auto* drop = std::get_if<store::DropPartition>(&operation)) {
      std::erase_if(sending_,
                    [drop](const auto& one) { return one.first.first == drop->partition; });
    }
  }
}

void Disk::write_pending(std::vector<DiskDone>& done) {
  if (pending_.empty()) {
    return;
  }
  std::vector<const store::Batch*> batches;
  for (const auto& job : pending_) {
    if (!job.batch.empty()) {
      batches.push_back(&job.batch);
    }
  }
  if (!batches.empty()) {
    if (const auto written = store_.write(batches); !written) {
      if (written.error().code == ErrorCode::kDiskFull) {
        tell_space(true, done);
      } else {
        done.push_back(DiskFailed{written.error()});
      }
      return;
    }
  }
  done.push_back(WriteDone{pending_.back().ticket});
  pending_.clear();
  tell_space(store_.low_on_space(), done);
}

void Disk::tell_space(bool low, std::vector<DiskDone>& done) {
  if (low != low_) {
    low_ = low;
    done.push_back(DiskSpace{low});
  }
}

void Disk::load(const LoadJob& job, std::vector<DiskDone>& done) {
  const auto& request = job.request;
  LoadDone loaded{job.partition, {request.to, request.prev_index, Term(), {}}};
  const auto term = store_.term_at(job.partition, request.prev_index);
  if (!term && term.error().code != ErrorCode::kGeneric) {  // kGeneric: no longer in the log
    done.push_back(DiskFailed{term.error()});
    return;
  }
  if (term) {
    auto entries = store_.read_log(job.partition, request.prev_index.next(), request.last_index,
                                   request.max_bytes);
    if (!entries) {
      done.push_back(DiskFailed{entries.error()});
      return;
    }
    loaded.loaded.prev_term = *term;
    loaded.loaded.entries = std::move(*entries);
  }
  done.push_back(std::move(loaded));
}

void Disk::fetch(FetchJob job, std::vector<DiskDone>& done) {
  auto values = store_.find_rows(job.partition, job.generation, job.keys);
  if (!values) {
    done.push_back(DiskFailed{values.error()});
    return;
  }
  done.push_back(FetchDone{std::move(job), std::move(*values)});
}

// A chunk is the partition record, then rows as key, value, key, value.
void Disk::read_snapshot(const SnapshotJob& job, std::vector<DiskDone>& done) {
  const auto key = std::pair(job.partition, job.request.to);
  SnapshotDone out{job.partition, {job.request.to, std::nullopt, job.request.chunk, false, {}}};
  if (job.request.chunk == 0) {
    sending_.erase(key);
    const auto stored = store_.partition_record(job.partition);
    if (!stored) {
      done.push_back(DiskFailed{stored.error()});
      return;
    }
    const auto record = *stored ? kv::Machine::decode(**stored) : std::nullopt;
    Sending sending;
    const bool whole = record && raft::decode(record->config, sending.meta.config);
    if (*stored && !whole) {
      done.push_back(DiskFailed{{ErrorCode::kCorrupt, "a partition's record is damaged"}});
      return;
    }
    if (whole) {
      sending.rows = store_.rows(job.partition, record->generation);
      sending.meta.index = record->applied;
      sending.meta.term = record->term;
      sending_.emplace(key, std::move(sending));
    }
  }
  const auto found = sending_.find(key);
  if (found == sending_.end() || found->second.next_chunk != job.request.chunk) {
    sending_.erase(key);
    done.push_back(std::move(out));
    return;
  }
  auto& sending = found->second;
  auto& rows = *sending.rows;
  out.chunk.meta = sending.meta;
  put_bytes(out.chunk.data, rows.partition_record().value_or(Bytes()));
  for (; rows.valid() && out.chunk.data.size() < kChunkBytes; rows.next()) {
    put_bytes(out.chunk.data, rows.key());
    put_bytes(out.chunk.data, rows.value());
  }
  if (const auto status = rows.status(); !status) {
    done.push_back(DiskFailed{status.error()});
    return;
  }
  out.chunk.last = !rows.valid();
  ++sending.next_chunk;
  if (out.chunk.last) {
    sending_.erase(found);
  }
  done.push_back(std::move(out));
}

}  // namespace kvorum::node
