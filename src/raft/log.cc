#include "raft/log.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace kvorum::raft {

Log::Log(Position base, std::vector<Entry> entries, Index disk_first, Index commit, Index applied)
    : base_(base),
      commit_(base.index),
      applied_(applied),
      handed_(base.index),
      persisted_(base.index),
      disk_first_(disk_first) {
  for (auto& entry : entries) {
    append(std::move(entry));
  }
  handed_ = persisted_ = last();
  CHECK_LE(base_.index, applied_);
  CHECK_LE(applied_, commit);
  commit_to(commit);
}

std::optional<Term> Log::term_at(Index index) const {
  if (index == base_.index) {
    return base_.term;
  }
  if (index < base_.index || index > last()) {
    return std::nullopt;
  }
  return at(index).term;
}

const Entry& Log::at(Index index) const {
  CHECK_GT(index, base_.index);
  CHECK_LE(index, last());
  return entries_[index - base_.index.next()];
}

void Log::append(Entry entry) {
  CHECK_EQ(entry.index, last().next());
  CHECK_GE(entry.term, end().term);
  bytes_ += entry.byte_size();
  uncommitted_bytes_ += entry.byte_size();
  entries_.push_back(std::move(entry));
}

void Log::truncate_from(Index index) {
  CHECK_GT(index, commit_);
  CHECK_LE(index, last());
  while (last() >= index) {
    bytes_ -= entries_.back().byte_size();
    uncommitted_bytes_ -= entries_.back().byte_size();
    entries_.pop_back();
  }
  if (handed_ >= index) {
    handed_ = index.prev();
    truncate_from_ = std::min(truncate_from_.value_or(index), index);
  }
  persisted_ = std::min(persisted_, index.prev());
}

void Log::reset(Position base) {
  CHECK_GT(base.index, commit_);
  base_ = base;
  entries_.clear();
  bytes_ = uncommitted_bytes_ = 0;
  commit_ = base.index;
  handed_ = base.index;
  persisted_ = Index();  // until the snapshot is on disk
  disk_first_ = base.index.next();
  truncate_from_.reset();
}

std::size_t Log::copy(Index from, Index to, std::size_t max_bytes, std::vector<Entry>& out) const {
  std::size_t bytes = 0;
  for (Index index = from; index <= to; index = index.next()) {
    const Entry& entry = at(index);
    if (bytes != 0 && bytes + entry.byte_size() > max_bytes) {
      break;
    }
    bytes += entry.byte_size();
    out.push_back(entry);
  }
  return bytes;
}

void Log::commit_to(Index index) {
  CHECK_GE(index, commit_);
  CHECK_LE(index, last());
  while (commit_ < index) {
    commit_ = commit_.next();
    uncommitted_bytes_ -= at(commit_).byte_size();
  }
}

void Log::applied_to(Index index) {
  CHECK_GE(index, applied_);
  CHECK_LE(index, commit_);
  applied_ = index;
}

void Log::copy_pending(std::vector<Entry>& out) const {
  for (Index index = handed_.next(); index <= last(); index = index.next()) {
    out.push_back(at(index));
  }
}

void Log::handed_over() {
  handed_ = last();
  truncate_from_.reset();
}

void Log::persisted_to(Index index) {
  CHECK_LE(index, handed_);
  persisted_ = std::max(persisted_, index);
}

void Log::compacted_to(Index first) {
  CHECK_LE(first, applied_.next());
  disk_first_ = std::max(disk_first_, first);
}

void Log::trim(std::size_t max_bytes) {
  const Index through = std::min(applied_, persisted_);
  while (bytes_ > max_bytes && base_.index < through) {
    base_ = {entries_.front().index, entries_.front().term};
    bytes_ -= entries_.front().byte_size();
    entries_.pop_front();
  }
}

}  // namespace kvorum::raft
