#include <fmt/format.h>

#include <map>
#include <optional>

#include "check/test_weak.h"

namespace kvorum::check {
namespace {

using State = std::optional<std::string>;

// Plays a careless store: it mostly answers from the present, at times from the past.
class Player {
 public:
  Player(Prng& prng, const RandomHistory& options) : prng_(prng), options_(options) {}

  History play() {
    for (int i = 0; i < options_.operations; ++i) {
      HistoryRecord record;
      record.client = static_cast<std::uint32_t>(prng_.below(options_.sessions));
      record.key = std::string(1, static_cast<char>('x' + prng_.below(options_.keys)));
      record.start_ns = 4 * i;
      record.end_ns =
          record.start_ns + 1 + static_cast<int>(prng_.below(options_.overlapping ? 8 : 3));
      fill(record, i);
      history_.add(record);
    }
    for (int key = 0; options_.final_gets && key < options_.keys; ++key) {
      HistoryRecord record;
      record.client = 90;
      record.key = std::string(1, static_cast<char>('x' + key));
      record.start_ns = 1000 + key;
      record.end_ns = record.start_ns;
      record.value = look(record.key);
      record.final = true;
      history_.add(record);
    }
    return std::move(history_);
  }

 private:
  std::vector<State>& states(const std::string& key) {
    auto& all = states_[key];
    if (all.empty()) {
      all.emplace_back();
    }
    return all;
  }

  State look(const std::string& key) {
    const auto& all = states(key);
    return prng_.chance(2, 3) ? all.back() : all[prng_.below(all.size())];
  }

  std::string fresh(int i) {
    const auto number = options_.unique ? i + 1 : static_cast<int>(prng_.below(2)) + 1;
    return options_.counted ? std::to_string(10 * number)
                            : std::string(1, static_cast<char>('a' + number));
  }

  void fill(HistoryRecord& record, int i) {
    const auto roll = prng_.below(100);
    auto now = states(record.key).back();
    if (roll < 40) {
      record.op = HistoryOp::kGet;
      record.value = look(record.key);
      return;
    }
    if (options_.compared && roll < 60) {
      fill_cas(record, i);
      return;
    }
    if (options_.composed && roll < 85) {
      record.op = HistoryOp::kAppend;
      record.value = fresh(i);
      now = now.value_or("") + *record.value;
    } else if (options_.counted && roll < 85) {
      record.op = HistoryOp::kIncr;
      record.by = 1 + static_cast<int>(prng_.below(2));
      const auto seen = look(record.key);
      now = std::to_string(std::stoll(seen.value_or("0")) + record.by);
      record.value = now;
    } else if (options_.removed && roll < 75) {
      record.op = HistoryOp::kDelete;
      now.reset();
    } else {
      record.op = HistoryOp::kPut;
      record.value = now = fresh(i);
    }
    end(record, now);
  }

  void fill_cas(HistoryRecord& record, int i) {
    record.op = HistoryOp::kCas;
    record.expect = look(record.key);
    record.value = fresh(i);
    if (prng_.chance(1, 4)) {
      record.ended = Ended::kFailed;
    } else {
      end(record, record.value);
    }
  }

  void end(HistoryRecord& record, const State& now) {
    const bool unknown = prng_.chance(options_.unknown_percent, 100);
    record.ended = unknown ? Ended::kUnknown : Ended::kOk;
    if (!unknown || prng_.chance(1, 2)) {
      states(record.key).push_back(now);
    }
  }

  Prng& prng_;
  const RandomHistory& options_;
  History history_;
  std::map<std::string, std::vector<State>> states_;
};

}  // namespace

History random_history(Prng& prng, const RandomHistory& options) {
  return Player(prng, options).play();
}

}  // namespace kvorum::check
