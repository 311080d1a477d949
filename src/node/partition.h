// One partition on this node: its Raft group, its state machine, the writes that wait for it and
// the reads that wait for a confirmed index. Moves effects from raft/ to the disk, the peers and
// kv/; the node above it knows the clients.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kv/machine.h"
#include "model/forward.h"
#include "node/disk.h"
#include "node/options.h"
#include "node/outbox.h"
#include "raft/raft.h"

namespace kvorum::node {

struct Output;

class Partition final : public kv::Observer {
 public:
  // What a partition asks of its node.
  class Host {
   public:
    virtual ~Host() = default;
    // The command that this connection waits for is about to take effect: serve its reads ahead;
    // where does the reply go?
    virtual ReplyWriter& before_write(Partition& partition, ConnId conn) = 0;
    // It took effect and was answered.
    virtual void after_write(Partition& partition, ConnId conn, std::uint64_t seq,
                             Version version) = 0;
    // It took effect, but inside a snapshot: its reply is not to be had.
    virtual void write_missed(ConnId conn) = 0;
    // Reads of this connection may have become ready.
    virtual void wake(ConnId conn) = 0;
    // Calls visit(read) for the reads of this connection that have begun: some may be served around
    // its writes.
    virtual void each_read(ConnId conn, const std::function<void(const Command&)>& visit) = 0;
    // Bytes that rows may still take in memory; without a budget: SIZE_MAX.
    virtual std::size_t memory_left() const = 0;
    virtual void note(LogLevel level, std::string text) = 0;
  };

  Partition(PartitionId id, const Options& options, Host& host, ClientId client);
  // Rebuilds log, rows and group from the store; `fallback` is the configuration of a partition
  // that is new here.
  Result<void> open(const store::Store& store, const raft::Config& fallback, Now now);

  PartitionId id() const { return id_; }
  raft::Raft& raft() { return *raft_; }
  const raft::Raft& raft() const { return *raft_; }
  const kv::Machine& machine() const { return *machine_; }
  Outbox& outbox() { return outbox_; }
  const Outbox& outbox() const { return outbox_; }

  void step(const raft::Message& message, Now now) { raft_->step(message, now); }
  void forward(const Forward& forward);  // another node's runs for this leader
  void link_up() { resend_ = true; }     // what was sent to that peer may be lost

  // A read barrier for everyone that asks in this turn; the tag is confirmed once confirmed() >=
  // it.
  std::uint64_t barrier(ConnId conn);
  std::uint64_t confirmed() const { return confirmed_; }
  void wait_applied(Index index, ConnId conn) { index_waiters_.push_back({index, conn}); }

  // Whether memory has the values that the command needs. If not, they are asked of the disk, and
  // `conn` is woken when they have come, to ask again.
  bool has_values(const Command& command, ConnId conn);
  // Asks the disk for what is missing; at the end of a turn.
  void fetch(Output& out);
  // The rows that it had. False: damage, it lacks one.
  bool fetched(const FetchDone& done);
  // Looks at `rows` rows for values that may leave memory. False: none can at present.
  bool evict(std::size_t rows);
  std::size_t memory_bytes() const;
  std::uint64_t fetches() const { return fetches_; }  // rows asked of the disk

  // One round: runs out, raft's effects in.
  void drain(Output& out, store::Batch& batch, Now now);
  // The batch of the last drain is on its way under this node-wide ticket / is on disk.
  void ticketed(std::uint64_t ticket);
  void persisted(std::uint64_t ticket, Now now);
  void loaded(raft::Loaded loaded, Now now) { raft_->step(std::move(loaded), now); }
  void snapshot_read(raft::SnapshotChunk chunk, Now now) { raft_->step(std::move(chunk), now); }
  void tick(Now now);
  Instant wake_at() const { return wake_at_; }
  bool needs_drain() const;
  bool waits_for_disk() const { return needs_ticket_; }

  // kv::Observer
  ReplyWriter& before(ClientId client, std::uint64_t seq) override;
  void after(ClientId client, std::uint64_t seq, Version version) override;
  void refused(ClientId client, std::uint64_t expected) override;

 private:
  struct Waiting {
    std::uint64_t tag;
    std::optional<Index> index;  // once raft confirmed it
    std::vector<ConnId> conns;
  };
  struct IndexWaiter {
    Index index;
    ConnId conn;
  };
  struct Flight {                   // one raft turn whose effects wait for the disk
    std::uint64_t ticket = 0;       // node-wide
    std::uint64_t raft_ticket = 0;  // 0: none
    std::vector<raft::Message> messages;
    std::optional<Index> checkpoint;
    std::optional<raft::Compacted> compacted;
  };
  struct Mark {  // a durable checkpoint, as a place where the log may be cut
    Index applied;
    Term term;
    std::uint64_t log_bytes;  // written up to there
  };

  Result<void> load_rows(const store::Store& store, raft::Restored& restored);
  Result<void> load_log(const store::Store& store, raft::Restored& restored);
  void send_runs(Output& out, Now now);
  bool holds_back() const;
  void gather(std::uint64_t done_before, Now now);
  bool barrier_due() const { return barrier_open_ && waiting_.size() == 1; }
  void collect(Output& out, store::Batch& batch);
  void write_snapshot(raft::SnapshotWrite& write, store::Batch& batch);
  void install();
  void apply();
  bool has_values(const Entry& entry);
  void each_owner(const Entry& entry, const std::function<void(ConnId)>& visit) const;
  void wake_value_waiters();
  std::size_t memory_left() const;
  void confirm_reads();
  void checkpoint(store::Batch& batch, Now now);
  void compact(store::Batch& batch, Flight& flight);
  void expire_rows(Now now);

  PartitionId id_;
  const Options& options_;
  Host& host_;
  std::unique_ptr<raft::Raft> raft_;
  std::unique_ptr<kv::Machine> machine_;
  std::unique_ptr<kv::Machine> incoming_;  // filled by a snapshot's chunks
  raft::Output turn_;
  NoReply no_reply_;

  Outbox outbox_;
  Instant sealed_at_;        // the last run
  std::size_t awaited_ = 0;  // commands that the open run waits for, until gather_until_; 0: none
  Instant gather_until_ = Instant::max();
  std::size_t unsent_runs_ = 0;  // at the back of the outbox, refused by raft for now
  bool resend_ = false;
  Instant resend_at_ = Instant::max();
  std::vector<Forward> forwarded_;
  NodeId sent_to_;
  Term sent_in_;
  std::deque<Entry> to_apply_;
  bool apply_waits_ = false;           // for values that the first of them needs
  std::vector<kv::ColdRow> wanted_;    // of the next fetch; some twice
  std::vector<kv::ColdRow> asked_;     // of the one that is on its way
  std::vector<ConnId> value_waiters_;  // to be woken by any fetch
  bool fetching_ = false;              // one is on its way
  std::uint64_t fetches_ = 0;
  std::vector<ConnId> missed_;
  ConnId applying_;  // whose write takes effect right now

  std::uint64_t next_tag_ = 1;
  std::uint64_t confirmed_ = 0;
  bool barrier_open_ = false;  // waiting_.back() still takes readers; it goes once it is alone
  std::deque<Waiting> waiting_;
  std::vector<std::uint64_t> retry_tags_;
  std::vector<IndexWaiter> index_waiters_;

  bool needs_ticket_ = false;
  std::deque<Flight> flights_;
  std::vector<raft::Message> persisted_sends_;  // released by the disk, leave with the next drain
  Index durable_applied_;
  Instant checkpoint_at_;
  bool checkpointing_ = false;
  bool installing_ = false;  // the snapshot's last chunk is on its way to disk
  std::deque<Mark> marks_;
  std::uint64_t log_bytes_ = 0;  // of entries applied since the start
  Instant wake_at_ = Instant::max();
};

}  // namespace kvorum::node
