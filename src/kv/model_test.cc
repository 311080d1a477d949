// Random commands against a model that a reader can check by eye: a std::map and no cleverness.
#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "base/prng.h"
#include "kv/number.h"
#include "kv/test_log.h"

namespace kvorum::kv {
namespace {

class Model {
 public:
  void move_to(WallMs now) {
    now_ = now.value();
    std::erase_if(rows_, [&](const auto& row) { return row.second.due(now_); });
  }
  std::size_t size() const { return rows_.size(); }

  std::string run(const Spec& spec) {
    auto reply = answer(spec);
    move_to(WallMs(now_));  // what was given a deadline in the past
    return reply;
  }

 private:
  struct Row {
    Bytes value;
    std::optional<std::int64_t> deadline = {};
    bool due(std::int64_t now) const { return deadline && *deadline <= now; }
  };

  static std::string number(std::int64_t n) { return fmt::format(":{}", n); }
  Row* find(const Bytes& key) {
    const auto at = rows_.find(key);
    return at == rows_.end() ? nullptr : &at->second;
  }
  static std::string value(const Row* row) {
    return row == nullptr ? "nil" : fmt::format("\"{}\"", row->value);
  }
  std::optional<std::int64_t> deadline(const Spec& spec) const {
    if ((spec.flags & kRelativeTtl) != 0) {
      return now_ + spec.number;
    }
    return (spec.flags & kAbsoluteTtl) != 0 ? std::optional(spec.number) : std::nullopt;
  }

  std::string answer(const Spec& spec) {
    auto* row = find(spec.args[0]);
    switch (spec.op) {
      case Op::kSet:
        return set(spec, row);
      case Op::kExpire:
        return expire(spec, row);
      case Op::kIncrBy:
        return incr(spec, row);
      case Op::kDel: {
        std::size_t gone = 0;
        for (const auto& key : spec.args) {
          gone += rows_.erase(key);
        }
        return number(static_cast<std::int64_t>(gone));
      }
      case Op::kAppend:
        rows_[spec.args[0]].value += spec.args[1];
        return number(static_cast<std::int64_t>(rows_[spec.args[0]].value.size()));
      case Op::kSetRange: {
        auto& text = rows_[spec.args[0]].value;
        const auto at = static_cast<std::size_t>(spec.number);
        text.resize(std::max(text.size(), at + spec.args[1].size()));
        text.replace(at, spec.args[1].size(), spec.args[1]);
        return number(static_cast<std::int64_t>(text.size()));
      }
      case Op::kPersist: {
        const bool timed = row != nullptr && row->deadline;
        if (timed) {
          row->deadline.reset();
        }
        return timed ? ":1" : ":0";
      }
      case Op::kGetDel: {
        const auto old = value(row);
        rows_.erase(spec.args[0]);
        return old;
      }
      case Op::kGet:
        return value(row);
      case Op::kTtl:
        return row == nullptr ? ":-2" : !row->deadline ? ":-1" : number(*row->deadline - now_);
      default:
        ADD_FAILURE();
        return {};
    }
  }

  std::string set(const Spec& spec, Row* row) {
    const auto old = value(row);
    const bool returns_old = (spec.flags & kReturnOld) != 0;
    if ((spec.flags & (row != nullptr ? kIfAbsent : kIfPresent)) != 0) {
      return returns_old ? old : "nil";
    }
    auto until = deadline(spec);
    if ((spec.flags & kKeepTtl) != 0 && row != nullptr) {
      until = row->deadline;
    }
    rows_[spec.args[0]] = Row{spec.args[1], until};
    return returns_old ? old : "+OK";
  }

  std::string expire(const Spec& spec, Row* row) {
    const auto wanted = *deadline(spec);
    const auto has = [&](int flag) { return (spec.flags & flag) != 0; };
    if (row == nullptr || (has(kIfAbsent) && row->deadline) ||
        (has(kIfPresent) && !row->deadline) ||
        (has(kIfGreater) && wanted <= row->deadline.value_or(INT64_MAX)) ||
        (has(kIfLess) && wanted >= row->deadline.value_or(INT64_MAX))) {
      return ":0";
    }
    row->deadline = wanted;
    return ":1";
  }

  std::string incr(const Spec& spec, Row* row) {
    const auto old = row == nullptr ? 0 : parse_integer(row->value);
    if (!old) {
      return "-ERR value is not an integer or out of range";
    }
    rows_[spec.args[0]].value = std::to_string(*old + spec.number);
    return number(*old + spec.number);
  }

  std::map<Bytes, Row> rows_;
  std::int64_t now_ = 0;
};

Spec random_spec(Prng& prng, WallMs now) {
  const auto key = [&] { return "key" + std::to_string(prng.below(30)); };
  const auto text = [&] {
    return prng.chance(1, 2) ? std::to_string(prng.below(100))
                             : Bytes(prng.below(100), static_cast<char>('a' + prng.below(26)));
  };
  const auto in = static_cast<std::int64_t>(prng.below(400)) + 1;
  const int condition = std::vector{0, 0, int{kIfAbsent}, int{kIfPresent}}[prng.below(4)];
  const int more = prng.chance(1, 3) ? kReturnOld : 0;
  const int compare = std::vector{0, int{kIfGreater}, int{kIfLess}}[prng.below(3)];
  const std::vector<Spec> choices = {
      {Op::kSet, {key(), text()}, condition | more},
      {Op::kSet, {key(), text()}, condition | more | kKeepTtl},
      {Op::kSet, {key(), text()}, condition | more | kRelativeTtl, in},
      {Op::kSet, {key(), text()}, kAbsoluteTtl, (now + (in - 100)).value()},
      {Op::kExpire, {key()}, condition | kRelativeTtl, in - 20},
      {Op::kExpire, {key()}, compare | kRelativeTtl, in},
      {Op::kIncrBy, {key()}, 0, in - 200},
      {Op::kDel, {key(), key()}},
      {Op::kAppend, {key(), text()}},
      {Op::kSetRange, {key(), text() + "x"}, 0, in % 50},
      {Op::kPersist, {key()}},
      {Op::kGetDel, {key()}},
      {Op::kGet, {key()}},
      {Op::kTtl, {key()}, 0, 1},
  };
  return choices[prng.below(choices.size())];
}

TEST(ModelTest, RandomCommandsAnswerAsTheModelDoes) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Prng prng(seed);
    Machine machine(kTestPartition, Options{});
    Machine other(kTestPartition, Options{});
    TestLog log(machine);
    TestLog other_log(other);
    Model model;
    for (int i = 0; i < 4'000; ++i) {
      log.now = other_log.now = log.now + static_cast<std::int64_t>(prng.below(30));
      const auto spec = random_spec(prng, log.now);
      if (is_write(spec.op)) {
        model.move_to(log.now);
      } else {
        model.move_to(machine.log_time());
      }
      const auto reply = log.run(spec);
      ASSERT_EQ(reply, model.run(spec)) << "seed " << seed << " step " << i;
      ASSERT_EQ(machine.size(), model.size());
      ASSERT_EQ(other_log.run(spec), reply);
      ASSERT_EQ(machine.digest(), other.digest());
      if (prng.chance(1, 50)) {  // the disk's pace differs from node to node and shows nowhere
        store::Batch batch;
        other.take_dirty({}, batch);
      }
    }
  }
}

}  // namespace
}  // namespace kvorum::kv
