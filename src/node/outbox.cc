#include "node/outbox.h"

#include "base/check.h"
#include "model/entry.h"

namespace kvorum::node {

void Outbox::push(const Command& command, ConnId owner) {
  if (open_bytes_.empty()) {
    open_bytes_.resize(
        kRunHeadBytes);  // room for the head: a run that is sent whole is never copied
  }
  encode(command, open_bytes_);
  open_.push_back({open_bytes_.size(), owner});
}

std::size_t Outbox::seal() {
  const auto before = runs_.size();
  const auto bound = kMaxEntryBytes / 2;
  std::size_t from = 0, start = kRunHeadBytes;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    const bool last = i + 1 == open_.size();
    if (last || i + 1 - from == kMaxEntryCommands || open_[i].end - start > bound) {
      close_piece(from, i + 1);
      from = i + 1;
      start = open_[i].end;
    }
  }
  open_.clear();
  open_bytes_.clear();
  ++seals_;
  return runs_.size() - before;
}

void Outbox::close_piece(std::size_t from, std::size_t to) {
  Run run;
  run.first_seq = next_seq_;
  bool whole = from == 0 && to == open_.size();
  for (std::size_t i = from; i < to; ++i) {
    whole = whole && !open_[i].cancelled;
  }
  Bytes bytes;
  if (whole) {
    bytes = std::move(open_bytes_);
    open_bytes_ = Bytes();
    for (const auto& open : open_) {
      run.owners.push_back(open.owner);
    }
  } else {
    bytes.resize(kRunHeadBytes);
    for (std::size_t i = from; i < to; ++i) {
      const auto begin = i == 0 ? kRunHeadBytes : open_[i - 1].end;
      if (!open_[i].cancelled) {
        bytes.append(open_bytes_, begin, open_[i].end - begin);
        run.owners.push_back(open_[i].owner);
      }
    }
  }
  if (run.owners.empty()) {
    return;
  }
  Bytes head;
  encode(RunHead{client_, run.first_seq, static_cast<std::uint32_t>(run.owners.size()),
                 static_cast<std::uint32_t>(bytes.size() - kRunHeadBytes)},
         head);
  bytes.replace(0, kRunHeadBytes, head);
  next_seq_ += run.owners.size();
  closed_bytes_ += bytes.size();
  run.bytes = share(std::move(bytes));
  runs_.push_back(std::move(run));
}

ConnId Outbox::owner(std::uint64_t seq) const {
  for (const auto& run : runs_) {  // nearly always the first
    if (seq <= run.last_seq()) {
      return seq >= run.first_seq ? run.owners[seq - run.first_seq] : ConnId();
    }
  }
  return ConnId();
}

void Outbox::applied(std::uint64_t seq, std::vector<ConnId>& missed) {
  CHECK_LT(seq, next_seq_);
  while (done_ < seq && !runs_.empty()) {
    auto& run = runs_.front();
    const auto last = std::min(seq, run.last_seq());
    for (auto at = std::max(done_ + 1, run.first_seq); at < last || (at == last && at != seq);
         ++at) {
      if (auto& waiting = run.owners[at - run.first_seq]; waiting) {
        missed.push_back(waiting);
        waiting = ConnId();
      }
    }
    done_ = last;
    if (last < run.last_seq()) {
      return;
    }
    closed_bytes_ -= run.bytes->size();
    runs_.pop_front();
  }
}

void Outbox::passed(std::uint64_t next, std::vector<ConnId>& missed) {
  if (next <= done_ + 1) {
    return;
  }
  const auto last = owner(next - 1);
  applied(next - 1, missed);
  if (last) {
    missed.push_back(last);
  }
}

bool Outbox::abandon(ConnId owner) {
  for (auto& run : runs_) {
    for (auto& waiting : run.owners) {
      if (waiting == owner) {
        waiting = ConnId();
        return false;
      }
    }
  }
  for (auto& open : open_) {
    if (open.owner == owner && !open.cancelled) {
      open.cancelled = true;
      return true;
    }
  }
  return false;
}

}  // namespace kvorum::node
