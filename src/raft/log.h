// The log as one node holds it in memory: a window of entries, and how far disk, quorum and state
// machine are.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "model/entry.h"

namespace kvorum::raft {

// Where a log ends, or begins: an index and the term of the entry there.
struct Position {
  Index index;
  Term term;

  friend bool operator==(const Position&, const Position&) = default;
};

//        base          applied   commit          handed         last
//   ...----|--------------|---------|---------------|-------------|
//    gone  |<---------------- entries in memory ----------------->|
//
// base <= applied <= commit <= last. `handed` is how far the disk was given the log, `persisted`
// how far it has it; both may be below or above commit, because others can commit what this node's
// disk still writes.
class Log {
 public:
  // `entries` follow `base` without a gap and are on disk; the disk's log begins at disk_first.
  Log(Position base, std::vector<Entry> entries, Index disk_first, Index commit, Index applied);

  Position base() const { return base_; }
  Index last() const { return base_.index + entries_.size(); }
  Position end() const { return {last(), *term_at(last())}; }
  std::optional<Term> term_at(Index index) const;  // nullopt outside [base, last]
  const Entry& at(Index index) const;

  // The entry must be the next one.
  void append(Entry entry);
  // Drops the entry at `index` and all behind it; a committed one never goes (Raft paper,
  // section 5.4).
  void truncate_from(Index index);
  // A snapshot replaces everything: the log goes on behind `base`, which counts as committed.
  void reset(Position base);
  // Appends entries from `from` on, through `to` at most, until max_bytes are passed (at least
  // one). Returns the bytes.
  std::size_t copy(Index from, Index to, std::size_t max_bytes, std::vector<Entry>& out) const;

  Index commit() const { return commit_; }
  void commit_to(Index index);
  Index applied() const { return applied_; }
  void applied_to(Index index);
  std::size_t uncommitted_bytes() const { return uncommitted_bytes_; }

  // What the disk has to be given; after handed_over() it has been.
  bool dirty() const { return handed_ < last() || truncate_from_.has_value(); }
  std::optional<Index> pending_truncate() const { return truncate_from_; }
  void copy_pending(std::vector<Entry>& out) const;
  void handed_over();
  Index persisted() const { return persisted_; }
  void persisted_to(Index index);

  Index disk_first() const { return disk_first_; }
  void compacted_to(Index first);
  // Forgets the oldest entries that are applied and on disk while more than max_bytes are held.
  void trim(std::size_t max_bytes);

 private:
  Position base_;
  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;
  std::size_t uncommitted_bytes_ = 0;
  Index commit_;
  Index applied_;
  Index handed_;
  Index persisted_;
  Index disk_first_;
  std::optional<Index>
      truncate_from_;  // lowest index at which the disk must forget what it was given
};

}  // namespace kvorum::raft
