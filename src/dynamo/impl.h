// The state behind Core: every file of this folder implements the part of it that its name says.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/container/small_vector.hpp>
#include <boost/smart_ptr/local_shared_ptr.hpp>
#include <boost/smart_ptr/make_local_shared.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "dynamo/core.h"

namespace kvorum::dynamo {

// Bounds. What is beyond them is refused, or left to anti-entropy.
inline constexpr std::size_t kRequests = 100'000;                 // open at a time
inline constexpr std::size_t kBatchBytes = std::size_t{1} << 20;  // of rows in one message
inline constexpr std::size_t kFirstBatchBytes = 4096;  // that it has room for from the beginning
inline constexpr std::size_t kReadKeys = 256;          // in one kRead
inline constexpr std::size_t kSpareReads = 1000;       // kept for those to come, ...
inline constexpr std::size_t kSpareKeyBytes = 256;     // ... if they were of no longer a key
// What nobody waits for waits for company: so long, or until there is so much.
inline constexpr Duration kCompanyWait = 1ms;
inline constexpr std::size_t kCompanyBytes = std::size_t{32} << 10;
inline constexpr std::size_t kChangedRows =
    50'000;  // of one partition: then they are written early
inline constexpr std::size_t kPrintsPerTurn = 1000;
inline constexpr std::size_t kPrintsPerSecond = 20'000;
inline constexpr std::size_t kHintRows = 256;                     // in one message
inline constexpr std::size_t kHintBytes = std::size_t{64} << 20;  // of rows kept for others
inline constexpr std::size_t kRounds = 4;                         // of anti-entropy at a time
inline constexpr std::size_t kListRanges = 64;  // listed at a time: 16,000 keys of a million
inline constexpr std::size_t kListPrints = 65'536;
inline constexpr std::size_t kPullPrints = 4096;
inline constexpr std::size_t kPushBytes = std::size_t{256} << 10;
inline constexpr std::uint32_t kLeaves = 1u << (4 * Table::kDepth);
static_assert(Table::kFanOut == 1 << 4);
inline constexpr std::uint32_t kScanRanges = 64;   // looked at in one turn, for what can be dropped
inline constexpr std::size_t kActors = 1024;       // of one partition; beyond: nothing is dropped
inline constexpr std::uint64_t kForwarded = 4096;  // numbers of a sender that are remembered
inline constexpr std::size_t kSenders = 1024;
inline constexpr std::size_t kScratchBytes = std::size_t{64} << 10;  // kept, of a scratch value
inline constexpr std::size_t kLogLines = 100;                        // of one turn
// Of messages that wait for values of one partition; what is beyond is as good as lost.
inline constexpr std::size_t kParkedBytes = std::size_t{16} << 20;

// How far ahead bounds are asked for.
inline constexpr std::uint64_t kCounterAhead = std::uint64_t{1} << 20;
inline constexpr std::int64_t kStampAheadMs = 3000;

// Numbers of requests and messages; those of forwarded writes are counters, and below.
inline constexpr std::uint64_t kFirstId = std::uint64_t{1} << 62;

// `known` of a replica that is no more, once all that is left of it has been seen.
inline constexpr std::uint64_t kClosed = std::numeric_limits<std::uint64_t>::max();

Bytes encode(Incarnation receiver, const WriteRequest& request);
bool decode(ByteView bytes, Incarnation& receiver, WriteRequest& request);
Bytes encode(Incarnation receiver, const Result& result);
bool decode(ByteView bytes, Incarnation& receiver, Result& result);

// Visits rows of a list, for each of which the table's own is fetched a few ahead. False: a visit
// was.
template <class Visit>
bool each_row(const RowList& rows, const Table& table, const Visit& visit) {
  std::array<RowList::Item, Table::kFetch> some;
  std::array<std::uint64_t, Table::kFetch> hashes;
  for (auto at = rows.begin(); at != rows.end();) {
    std::size_t count = 0;
    for (; count < some.size() && at != rows.end(); ++at, ++count) {
      some[count] = *at;
      hashes[count] = Table::hash_of(at->key);
    }
    table.fetch({hashes.data(), count});
    for (std::size_t i = 0; i < count; ++i) {
      if (!visit(some[i])) {
        return false;
      }
    }
  }
  return true;
}

// The same, of keys; all are visited.
template <class Visit>
void each_key(const KeyList& keys, const Table& table, const Visit& visit) {
  std::array<ByteView, Table::kFetch> some;
  std::array<std::uint64_t, Table::kFetch> hashes;
  for (auto at = keys.begin(); at != keys.end();) {
    std::size_t count = 0;
    for (; count < some.size() && at != keys.end(); ++at, ++count) {
      some[count] = *at;
      hashes[count] = Table::hash_of(some[count]);
    }
    table.fetch({hashes.data(), count});
    std::for_each(some.begin(), some.begin() + count, visit);
  }
}

class Core::Impl {
 public:
  Impl(const Options& options, const Bounds& bounds, Now now);

  // core.cc
  void configure(const PartitionConfig& config, Now now);
  void remove(PartitionId partition);
  bool load_row(PartitionId partition, ByteView key, ByteView value, bool on_disk, bool cold);
  bool load_cut(const CutWrite& cut);
  void peer(NodeId node, bool up, Incarnation incarnation, std::int64_t ahead_ms, Now now);
  void step(Message message, Now now);
  void persisted(std::uint64_t ticket, Now now);
  void tick(Now now);
  void drain(Output& out, Now now);
  Stats stats() const;
  const std::deque<Loss>& ledger() const { return ledger_; }
  // put.cc
  void write(WriteRequest request, Now now);
  const Result* write_here(const WriteRequest& request, Now now);
  void fetch(std::span<const Wanted> rows) const;
  bool writes_wait() const { return !waiting_.empty(); }
  void flush();
  // get.cc
  void read(const ReadRequest& request, Now now);
  const Row* read_here(PartitionId partition, ByteView key, bool values);
  // cold.cc
  std::size_t memory_bytes() const;
  void on_disk(PartitionId id, const KeyPrint& row);
  bool evict(PartitionId id, std::size_t rows);
  bool has_values(PartitionId id, ByteView key);
  std::vector<Missing> take_missing();
  bool restore(const Missing& missing, const std::vector<std::optional<Bytes>>& rows, Now now);

  struct Heard {  // what another replica said that it knows, in its present incarnation
    Context known;
  };
  struct Pair {  // anti-entropy with another replica
    Instant next_at;
    bool active = false;  // a round of ours is under way
    int failures = 0;
    std::optional<Instant> finished;  // when the last finished round began, in its present
                                      // incarnation
  };
  struct Actor {  // who made dots of this partition
    ReplicaId replica;
    Instant noted;
    std::optional<Instant> gone;  // since when we know that it makes no more
  };
  struct Stage {  // of the stable cut: `cut` may be dropped once all have seen `made`
    Context cut;
    Context made;
  };
  struct RowsBatch {
    NodeId to;
    NodeId hint_for;
    RowList rows;
    std::vector<std::uint64_t> requests;  // that wait for it
  };
  struct Asker {           // who asks another node for a key
    std::uint64_t id = 0;  // of the read, 0: nobody any more; of a light one: the caller's ticket
    std::uint64_t print = 0;  // of our row
    bool light = false;
  };
  struct AskBatch {
    NodeId to;
    std::vector<Asker> askers;
    KeyList keys;  // of each of them
  };
  struct PrintBatch {
    NodeId to;
    std::vector<KeyPrint> prints;
    KeyList keys;
  };
  struct Waiting {                                      // for values that are on the disk alone
    std::vector<std::pair<Bytes, std::uint64_t>> rows;  // keys and prints; some twice
    std::vector<std::uint64_t> reads;
    std::vector<std::uint64_t> writes;  // to be sent again
    std::vector<Message> messages;
    bool again = false;  // one of them has waited before, and some other value left meanwhile
  };
  struct Cold {
    Waiting next;             // for the next fetch
    Waiting under_way;        // for this one
    std::uint64_t asked = 0;  // 0: none is
    std::size_t parked_bytes = 0;
    boost::unordered_flat_set<std::uint64_t> read;  // hashes of keys that reads wait for
  };
  struct Partition {
    PartitionConfig config;
    Table table;
    bool mine = false;      // this node is one of its replicas
    bool refilled = false;  // ... and answers reads like any other
    Context known;
    Context told;  // what of `known` is on disk
    Context cut;
    boost::local_shared_ptr<const Context> cut_of_answers;  // as it was at the last read
    Context limit;                                          // tombstones that it covers may go
    std::optional<Stage> stage;
    std::map<NodeId, Heard> heard;
    std::map<NodeId, Pair> pairs;
    std::vector<Actor> actors;  // ascending
    bool write_cut = false;
    std::vector<RowsBatch> batches;  // what is queued: one for each receiver
    std::vector<AskBatch> asks;
    std::vector<PrintBatch> prints;
    // Looking for rows that can be dropped: when next, and where.
    Instant scan_at = Instant::max();
    std::uint32_t scan_range = 0;
    bool scan_again = false;  // something that is gone had to stay
    int scans_in_vain = 0;
    Cold cold;
  };
  Partition* find(PartitionId id);
  const Partition* find(PartitionId id) const;

 private:
  using Nodes = boost::container::small_vector<NodeId, 4>;
  template <class T>
  using ById = boost::unordered_flat_map<std::uint64_t, std::unique_ptr<T>>;

  struct Peer {
    bool up = false;
    std::optional<Incarnation> incarnation;
    std::int64_t ahead_ms = 0;
    Instant leaves_at = Instant::max();  // what is queued for it
    std::size_t queued_bytes = 0;        // of which nobody waits for
  };
  struct Write {
    WriteRequest request;
    ReplicaId asker;  // node 0: our own caller
    std::uint64_t asker_id = 0;
    Instant deadline;
    Result result;
    Nodes acked;
    bool forwarded = false;
  };
  struct Answer {
    NodeId node;
    boost::local_shared_ptr<const Context> cut;
    bool refilling = false;
    std::unique_ptr<Row> row;  // null: the same as ours
  };
  struct Read {
    ReadRequest request;
    Row ours;  // as it was when the read began; none where this node holds no replica
    std::uint64_t print = 0;  // of it
    boost::container::small_vector<Answer, 3> answers;
    Nodes asked;
    bool writes_back = false;
    std::optional<Row> merged;  // where answers differ
    Nodes have;                 // replicas that hold `merged`

    void begin_anew();  // as nothing but a request
  };
  struct Sent {  // rows that somebody waits for
    NodeId to;
    std::vector<std::uint64_t> requests;
  };
  struct Asked {  // kRead: who waits for it
    NodeId to;
    PartitionId partition;
    Instant deadline;
    std::vector<Asker> askers;
    KeyList keys;
  };
  struct Light {  // a light read that begins anew
    ReadRequest request;
    Instant deadline;
  };
  struct Said {  // a kReadDone
    const Message& message;
    boost::local_shared_ptr<const Context> cut;
    std::map<ByteView, ByteView> rows;  // those that are not as ours
  };
  struct DiskBatch {
    std::uint64_t ticket = 0;
    std::vector<std::uint64_t> requests;  // whose own copy it has
    std::optional<Bounds> bounds;
    std::vector<std::tuple<PartitionId, Generation, Context>> known;
  };
  struct Forwarder {  // numbers of forwarded writes that were taken, as a window
    std::uint64_t highest = 0;
    std::deque<bool> taken;  // front: highest
  };
  struct Hint {
    Instant expires;
    Generation generation;
    Bytes row;  // a stand-in's; empty: our own table has it
    bool under_way = false;
  };
  struct Timer {
    Instant at;
    std::uint64_t id = 0;
  };
  using HintKey = std::pair<PartitionId, Bytes>;
  struct Flight {  // of hints, to one node
    std::uint64_t id = 0;
    Instant deadline;
    std::vector<HintKey> keys;
  };
  struct Round {
    std::uint64_t id = 0;
    PartitionId partition;
    Generation generation;
    NodeId peer;
    Instant begun;
    Instant deadline;
    bool waits = false;  // for an answer; else for the throttle
    bool cold = false;   // ... or for values that are on the disk alone
    bool answered = false;
    bool differed = false;
    Incarnation incarnation;  // of the peer, with what it knew when the round began
    Context known;
    std::vector<Range> sums;  // to be compared
    std::deque<Range> lists;
    std::deque<KeyPrint> pulls;
    std::deque<std::pair<Bytes, Bytes>> pushes;  // key, row; empty: as it stands when it is sent
    std::size_t asked = 0;                       // prints, of the pull that is under way
  };
  struct Absorbed {
    bool changed = false;
    std::optional<Row> answer;  // the sender holds what is old news here; this tells it so
    bool cold = false;          // nothing was done: it waits for the values of our row
  };
  struct Taken {                  // of a row that differed from ours
    std::optional<Bytes> answer;  // what its sender must have of it
    bool cold = false;
  };

  std::size_t open() const { return writes_.size() + waiting_.size() + reads_.size() + lights_; }

  // core.cc
  bool is_up(NodeId node) const;
  std::size_t count_up(const Partition& partition) const;
  bool is_current(NodeId node, Incarnation incarnation) const;
  void reset(Partition& partition);
  void store(Partition& partition, ByteView key, const Row& row);
  Absorbed absorb(Partition& partition, ByteView key, Row& from);
  void note_losers(const Partition& partition, ByteView key, const Row& row,
                   std::vector<Sibling>& losers);
  Message make(MessageType type, const Partition& partition, NodeId to) const;
  void take(const Message& message);
  void say(std::string line);
  // drain.cc
  std::uint64_t set_timer();
  std::uint64_t set_timer(Instant deadline);
  static RowsBatch& batch_of(Partition& partition, NodeId to, NodeId hint_for);
  void queue_row(Partition& partition, NodeId to, ByteView key, ByteView row, std::uint64_t request,
                 NodeId hint_for = NodeId());
  void send_batch(const Partition& partition, RowsBatch batch);
  void may_wait(NodeId to, std::size_t bytes);
  void leaves_now(NodeId to);
  bool leaves(NodeId to) const { return peers_.at(to).leaves_at <= now_.mono || flushing_; }
  void send_batches(Partition& partition);
  void send_all();
  void write_partition(Partition& partition, Output& out, DiskBatch& batch);
  void drain_disk(Output& out);
  Instant wake_at() const;
  void trim_scratch();
  void hedge(std::uint64_t id);
  void expire();
  void expire(std::uint64_t id);
  void forget_timers();
  void on_rows(const Message& message);
  void on_rows_done(const Message& message);

  // clock.cc
  bool can_stamp() const;
  bool clock_is_off() const;
  HybridTime next_stamp(const Row& row) const;
  void note_stamp(HybridTime stamp);
  std::optional<Bounds> raise_bounds();

  // put.cc
  void begin_write(std::unique_ptr<Write> write);
  void note_stamps(const Row* row);
  void stamp_waiting();
  std::optional<Error> why_refused(const Partition& partition, const WriteRequest& request) const;
  void stamp_write(Partition& partition, std::unique_ptr<Write> write);
  std::optional<Error> apply(Partition& partition, const WriteRequest& request, const Row* held,
                             Result& result);
  void spread(Partition& partition, const WriteRequest& request, std::uint64_t id);
  void spread_again(std::uint64_t id, const Write& write);
  Nodes stand_ins(const Partition& partition, ByteView key) const;
  void ack(std::uint64_t id, NodeId node);
  void ack_write(Write& write, std::uint64_t id, NodeId node);
  void finish(Write& write, Ended ended, Error error = {});
  void refuse(Write& write, Error error) { finish(write, Ended::kRefused, std::move(error)); }

  // forward.cc
  void forward(const Partition& partition, std::unique_ptr<Write> write);
  bool is_fresh(const ReplicaId& sender, std::uint64_t number);
  void on_write(const Message& message);
  void on_write_done(const Message& message);

  // cold.cc
  void want(Partition& partition, ByteView key, std::uint64_t print);
  bool want_if_cold(Partition& partition, ByteView key);
  bool lacks_values(Partition& partition, const WriteRequest& request);
  void park(Partition& partition, const Message& message);
  void resume(Partition& partition, Waiting waiting);
  void resume_repair(PartitionId id);

  // get.cc
  Read& add_read(std::uint64_t id, const ReadRequest& request);
  void end_read(ById<Read>::iterator at);
  void begin_read(std::uint64_t id, Read& read, bool all);
  void look_here(Partition& partition, Read& read);
  void begin_reads_anew(PartitionId partition);
  void wait_for_values(Partition& partition, std::uint64_t id, const Read& read);
  void answer_alone(Partition& partition, Read& read);
  bool lacks_values(Partition& partition, const Asked& asked, const Message& message);
  void refuse_read(const ReadRequest& request, Error error);
  static bool has_answered(const Read& read, NodeId node);
  std::size_t first_asked(const std::vector<NodeId>& replicas);
  void ask_more(Partition& partition, std::uint64_t id, Read& read, bool all);
  void ask(Partition& partition, NodeId node, const Asker& asker, ByteView key);
  void send_ask(const Partition& partition, AskBatch batch);
  void send_asks(Partition& partition);
  void on_read(const Message& message);
  void on_read_done(const Message& message);
  void hear_answer(Partition& partition, const Asker& asker, ByteView key, Instant deadline,
                   const Said& said);
  bool judge(Partition& partition, std::uint64_t id, Read& read);
  void complete(Partition& partition, std::uint64_t id, Read& read);
  static boost::local_shared_ptr<const Context> shared_cut(Partition& partition);
  static const Row& row_of(const Read& read, const Answer& answer);
  static void drop_dead(const Read& read, Row& row);
  void finish(Read& read, Ended ended, Error error = {});

  // light.cc
  void read_light(Partition& partition, const ReadRequest& request);
  struct Word {  // what a node says of a key that it was asked for
    NodeId from;
    bool same = false;     // it has what we had, and lacks nothing
    bool differs = false;  // ... another row, which it sent
  };
  std::optional<std::uint64_t> hear_light(Partition& partition, const Asker& asker, ByteView key,
                                          Instant deadline, Word word);
  void end_light(Partition& partition, const Asker& asker, ByteView key, NodeId node);
  std::uint64_t grow(PartitionId partition, const Asker& asker, ByteView key, Instant deadline);
  void grow_all(boost::unordered_flat_map<std::uint64_t, Asked>::iterator at);
  std::vector<Light> take_lights(Partition& partition);

  // repair.cc
  bool write_back(std::uint64_t id, Read& read, Partition& partition, const Row& whole);
  void print_to_others(Partition& partition, ByteView key, std::uint64_t print,
                       const Nodes& answered);
  void send_prints(Partition& partition);
  void on_prints(const Message& message);
  bool answer_keys(Partition& partition, const Message& message, Message& answer);
  bool answer_hashes(Partition& partition, const Message& message, Message& answer);
  void on_prints_done(const Message& message);
  Taken take_row(Partition& partition, ByteView key, ByteView bytes);

  // hint.cc
  void keep_hint(NodeId node, const Partition& partition, ByteView key, Bytes row);
  void on_hint_rows(const Message& message);
  void send_hints(NodeId node);
  void on_hints_done(NodeId node, std::uint64_t id);
  void expire_hints();
  void forget_hint(NodeId node, const HintKey& key);

  // sync.cc
  void run_rounds();
  void begin_round(Partition& partition, NodeId peer);
  void advance(Round& round);
  void take_pushes(Partition& partition, Round& round, Message& message);
  void end_round(std::uint64_t id, bool finished);
  void finish_round(Partition& partition, Pair& pair, Instant begun, const Context& known);
  static std::size_t size_of(const Message& message);
  void pay(std::size_t bytes);
  void spend(std::size_t bytes);
  void on_sync(const Message& message);
  void on_sync_done(const Message& message);
  void compare_list(const Partition& partition, Range range,
                    const std::map<std::uint64_t, std::uint64_t>& theirs, Round& round) const;
  void on_pulled(const Message& message, Round& round);
  Round* find_round(std::uint64_t id, NodeId peer);
  void schedule(Pair& pair, Duration wait);

  // cut.cc
  void note_actors(Partition& partition, const Context& context);
  void judge_actors(Partition& partition);
  void replace_actors(Partition& partition, ReplicaId present, Instant before);
  void close_actors(Partition& partition);
  void judge_refilled(Partition& partition);
  static bool is_fenced(const Partition& partition, ReplicaId replica);
  bool waits_for(const Partition& partition, NodeId node) const;
  void hear(Partition& partition, const Message& message);
  void learn(Partition& partition, const Context& known);
  void mark_known(const Partition& partition);
  void raise_cut(Partition& partition);
  static bool may_drop(const Partition& partition);
  bool is_gone(const Row& row) const;
  void drop(Partition& partition, ByteView key);
  void plan_scan(Partition& partition, Duration wait);
  void run_scans();
  void scan(Partition& partition);

  const Options options_;
  Now now_;
  Prng prng_;
  std::map<PartitionId, Partition> partitions_;
  boost::unordered_flat_map<PartitionId, Partition*> by_id_;  // the same, for find()
  std::map<NodeId, Peer> peers_;

  // Counters and stamps.
  std::uint64_t counter_ = 0;  // the last one issued
  HybridTime clock_;           // the last one issued or merged
  const HybridTime floor_;     // earlier lives may have issued up to here
  Bounds durable_;
  Bounds asked_for_;
  bool stamped_ = true;  // since they were asked for

  // Requests and messages.
  std::uint64_t next_id_ = 0;
  ById<Write> writes_;
  ById<Read> reads_;
  std::size_t lights_ = 0;  // light reads under way (light.cc)
  std::vector<std::unique_ptr<Read>> spare_reads_;
  std::deque<std::unique_ptr<Write>> waiting_;  // for bounds, the clock, or a row's values
  std::deque<Timer> deadlines_;                 // of requests and messages
  std::deque<Timer> grown_deadlines_;           // of reads that were light
  std::deque<Timer> hedges_;                    // when a request asks everybody
  std::size_t prints_of_turn_ = 0;
  boost::unordered_flat_set<std::uint64_t> printed_;  // within this second
  Instant printed_until_;
  std::map<std::uint64_t, Sent> sent_;
  boost::unordered_flat_map<std::uint64_t, Asked> asked_;
  std::optional<NodeId> turn_asks_;  // whom this turn's reads ask first
  std::map<ReplicaId, Forwarder> forwarders_;
  std::vector<Message> send_now_;
  std::vector<Message> later_;  // scratch: those that go behind what was queued before them
  std::vector<Message> send_persisted_;
  std::vector<Result> results_;
  std::vector<std::string> log_;
  Row merged_;      // scratch: the row that a write or another replica's row changes
  Row received_;    // scratch: the latter
  Result written_;  // what write_here() tells of

  // Disk.
  std::vector<std::uint64_t> own_copies_;  // requests whose own row goes with the next batch
  std::deque<DiskBatch> disk_;
  std::uint64_t last_ticket_ = 0;
  Instant write_at_ = Instant::max();  // of the partitions that are not fsynced
  Instant known_at_ = Instant::max();  // when `known` of all partitions goes to the disk
  Instant known_written_;
  bool disk_work_ = true;  // something must be written in this turn. At first: bounds
  bool flushing_ = false;  // in this turn
  bool flushed_ = false;   // nothing is issued any more

  // Repair.
  std::map<NodeId, std::map<HintKey, Hint>> hints_;
  std::map<NodeId, Flight> flights_;
  std::size_t hint_count_ = 0;
  std::size_t hint_bytes_ = 0;
  Instant hints_at_ = Instant::max();  // when some may have expired
  std::map<std::uint64_t, Round> rounds_;
  Instant sync_at_;    // when a round may begin
  Instant budget_at_;  // up to when anti-entropy has used its bytes
  Instant scan_at_ = Instant::max();
  std::deque<Loss> ledger_;
  bool resuming_ = false;  // what has waited for values is taken up
  Stats stats_;
};

}  // namespace kvorum::dynamo
