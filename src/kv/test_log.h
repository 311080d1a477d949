// For the tests: a log that applies commands to a machine and shows the replies as text.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "kv/machine.h"
#include "model/command.h"
#include "model/entry.h"
#include "model/reply.h"
#include "store/store.h"

namespace kvorum::kv {

// +status :integer "bulk" nil -ERROR text [array, array]; nested arrays close by themselves.
class TextReply final : public ReplyWriter {
 public:
  void status(ByteView text) override { item(fmt::format("+{}", text)); }
  void integer(std::int64_t value) override { item(fmt::format(":{}", value)); }
  void bulk(ByteView bytes) override { item(fmt::format("\"{}\"", bytes)); }
  void nil() override { item("nil"); }
  void error(const Error& error) override { item(fmt::format("-{}", to_string(error))); }
  void array(std::size_t count) override { open(count); }
  void map(std::size_t pairs) override { open(2 * pairs); }

  std::string take() { return std::exchange(text_, {}); }

 private:
  void open(std::size_t count) {
    separate();
    text_ += "[";
    open_.push_back({count, true});
    close();
  }
  void item(const std::string& text) {
    separate();
    text_ += text;
    if (!open_.empty()) {
      --open_.back().first;
      close();
    }
  }
  void separate() {
    if (!open_.empty() && !std::exchange(open_.back().second, false)) {
      text_ += ", ";
    } else if (open_.empty() && !text_.empty()) {
      text_ += " ";
    }
  }
  void close() {
    while (!open_.empty() && open_.back().first == 0) {
      text_ += "]";
      open_.pop_back();
      if (!open_.empty()) {
        --open_.back().first;
      }
    }
  }

  std::string text_;
  std::vector<std::pair<std::size_t, bool>> open_;  // elements to come, whether none came yet
};

struct Spec {
  Op op = Op::kNoop;
  std::vector<Bytes> args = {};
  int flags = 0;
  std::int64_t number = 0;
  std::int64_t number2 = 0;

  Command command() const {
    Command out;
    out.op = op;
    out.flags = static_cast<std::uint16_t>(flags);
    out.number = number;
    out.number2 = number2;
    out.args.assign(args.begin(), args.end());
    return out;
  }
  Bytes encoded() const {
    Bytes bytes;
    encode(command(), bytes);
    return bytes;
  }
};

inline Bytes run_of(ClientId client, std::uint64_t first, const std::vector<Spec>& specs) {
  Bytes body;
  for (const auto& spec : specs) {
    body += spec.encoded();
  }
  Bytes run;
  encode(RunHead{client, first, static_cast<std::uint32_t>(specs.size()),
                 static_cast<std::uint32_t>(body.size())},
         run);
  return run + body;
}

inline constexpr ClientId kTestClient{7};
inline constexpr PartitionId kTestPartition{1};

// Feeds a machine, one command an entry unless told otherwise.
class TestLog : public Observer {
 public:
  explicit TestLog(Machine& m) : machine(m) {}

  ReplyWriter& before(ClientId client, std::uint64_t number) override {
    order.push_back(std::to_string(client.value()) + "/" + std::to_string(number));
    return reply;
  }
  void after(ClientId, std::uint64_t, Version version) override { last_version = version; }
  void refused(ClientId client, std::uint64_t expected) override {
    order.push_back("refused " + std::to_string(client.value()) + " expects " +
                    std::to_string(expected));
  }

  // Applies an entry with this payload at the present time and answers the replies.
  std::string apply(Bytes payload, EntryType type = EntryType::kCommands) {
    Entry entry;
    entry.term = Term(3);
    entry.index = machine.applied().next();
    entry.type = type;
    entry.stamp = now;
    entry.payload = share(std::move(payload));
    machine.apply(entry, *this);
    return reply.take();
  }
  std::string apply(const Spec& spec) { return apply(run_of(kTestClient, seq++, {spec})); }
  std::string read(const Spec& spec) const {
    TextReply text;
    machine.read(spec.command(), {wall}, text);
    return text.take();
  }
  // A write is applied, a read is read.
  std::string run(const Spec& spec) { return is_write(spec.op) ? apply(spec) : read(spec); }
  // Time goes by and the leader says so.
  void pass(std::int64_t ms) {
    now = now + ms;
    apply({}, EntryType::kEmpty);
  }

  Machine& machine;
  TextReply reply;
  WallMs now{1'000'000};
  WallMs wall;  // 0: reads count from log time
  std::uint64_t seq = 1;
  std::vector<std::string> order;
  Version last_version;
};

// What a restart would make of the batches written so far.
inline Machine reload(const store::Store& store, const Options& options) {
  Machine machine(kTestPartition, options);
  const auto bytes = store.partition_record(kTestPartition).value();
  if (!bytes) {
    return machine;
  }
  const auto record = Machine::decode(*bytes);
  EXPECT_TRUE(record);
  auto rows = store.rows(kTestPartition, record->generation);
  for (; rows->valid(); rows->next()) {
    EXPECT_TRUE(machine.load_row(rows->key(), rows->value()));
  }
  EXPECT_TRUE(rows->status());
  machine.load_record(*record);
  return machine;
}

inline void checkpoint(Machine& machine, store::Store& store, ByteView config = {}) {
  store::Batch batch;
  machine.take_dirty(config, batch);
  EXPECT_TRUE(store.write({&batch}));
  EXPECT_EQ(machine.dirty_bytes(), 0U);
}

}  // namespace kvorum::kv
