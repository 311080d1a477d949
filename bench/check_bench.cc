// How fast histories are judged: histories of a store that is right (and of one that told one lie),
// made up in memory, so that no loading is timed. Each case runs in a process of its own, for its
// peak memory.
//
// usage: check_bench [PART OF A CASE'S NAME]
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/prng.h"
#include "check/judge.h"

namespace kvorum::check {
namespace {

struct Load {
  const char* name = "";
  std::size_t operations = 0;
  std::size_t clients = 0;
  std::size_t keys = 1;
  bool half_on_one_key = false;
  bool mixed = false;  // cas, append and delete besides put and get
  std::uint64_t unknown_percent = 0;
  bool stale_get = false;    // one, at 98 % of the history
  std::uint64_t values = 0;  // distinct values written; 0: every one is new
  bool only_appends = false;
};

constexpr Load kLoads[] = {
    {"put/get, 100k ops, 64 clients, 16 keys", 100'000, 64, 16},
    {"put/get, 100k ops, 64 clients, 16 keys, stale get", 100'000, 64, 16, false, false, 0, true},
    {"put/get, hot key, 10k ops, 32 clients", 10'000, 32},
    {"put/get, hot key, 10k ops, 32 clients, stale get", 10'000, 32, 1, false, false, 0, true},
    {"put/get, hot key, 10k ops, 32 clients, 10 % unknown", 10'000, 32, 1, false, false, 10},
    {"put/get, hot key, 10k ops, 32 clients, 10 % unknown, stale get", 10'000, 32, 1, false, false,
     10, true},
    {"mixed, 2k ops, 16 clients, 1 key", 2'000, 16, 1, false, true},
    {"mixed, 2k ops, 16 clients, 1 key, stale get", 2'000, 16, 1, false, true, 0, true},
    {"mixed, 2k ops, 16 clients, 1 key, 10 % unknown", 2'000, 16, 1, false, true, 10},
    {"mixed, 20k ops, 32 clients, 16 keys, half on one", 20'000, 32, 16, true, true},
    {"mixed, 20k ops, 32 clients, 16 keys, half on one, 10 % unknown", 20'000, 32, 16, true, true,
     10},
    {"mixed, 20k ops, 32 clients, 16 keys, half on one, 10 % unknown, stale get", 20'000, 32, 16,
     true, true, 10, true},
    {"appends, 2k ops, 50 clients, 1 key", 2'000, 50, 1, false, true, 0, false, 0, true},
    {"appends, 2k ops, 50 clients, 1 key, 10 % unknown", 2'000, 50, 1, false, true, 10, false, 0,
     true},
    {"5 values, put/get/cas, 5k ops, 10 clients, 1 key", 5'000, 10, 1, false, false, 0, false, 5},
    {"5 values, put/get/cas, 5k ops, 10 clients, 1 key, 2 % unknown", 5'000, 10, 1, false, false, 2,
     false, 5},
    {"5 values, put/get/cas, 5k ops, 10 clients, 1 key, 2 % unknown, stale get", 5'000, 10, 1,
     false, false, 2, true, 5},
    {"5 values, mixed, 2k ops, 16 clients, 1 key, 5 % unknown", 2'000, 16, 1, false, true, 5, false,
     5},
};

// A store whose operations take effect at a random moment of their intervals.
class Store {
 public:
  Store(const Load& load, std::uint64_t seed) : load_(load), prng_(seed) {}

  History run() {
    plan();
    std::sort(plan_.begin(), plan_.end(),
              [](const Planned& a, const Planned& b) { return a.moment < b.moment; });
    for (auto& planned : plan_) {
      apply(planned);
    }
    if (load_.stale_get) {
      spoil();
    }
    std::sort(plan_.begin(), plan_.end(),
              [](const Planned& a, const Planned& b) { return a.record.end_ns < b.record.end_ns; });
    History history;
    for (const auto& planned : plan_) {
      history.add(planned.record);
    }
    return history;
  }

 private:
  struct Planned {
    HistoryRecord record;
    std::int64_t moment = 0;
    bool happens = true;
  };
  using Held = std::optional<std::string>;

  void plan() {
    std::vector<std::int64_t> free(load_.clients, 0);
    constexpr std::uint64_t kLongest = 1'000'000;
    for (std::size_t i = 0; i < load_.operations; ++i) {
      const auto client = std::min_element(free.begin(), free.end()) - free.begin();
      Planned planned;
      auto& record = planned.record;
      record.client = static_cast<std::uint32_t>(client);
      const bool hot = load_.half_on_one_key && prng_.chance(1, 2);
      record.key = fmt::format("key{}", hot ? 0 : prng_.below(load_.keys));
      record.op = pick();
      record.start_ns = free[client] + static_cast<std::int64_t>(prng_.below(kLongest / 10));
      record.end_ns = record.start_ns + 1 + static_cast<std::int64_t>(prng_.below(kLongest));
      free[client] = record.end_ns + 1;
      auto latest = record.end_ns;
      if (record.op != HistoryOp::kGet && prng_.below(100) < load_.unknown_percent) {
        record.ended = Ended::kUnknown;
        planned.happens = prng_.chance(1, 2);
        latest += static_cast<std::int64_t>(10 * kLongest);
      }
      planned.moment =
          record.start_ns + static_cast<std::int64_t>(prng_.below(latest - record.start_ns + 1));
      plan_.push_back(std::move(planned));
    }
  }

  HistoryOp pick() {
    const auto percent = prng_.below(100);
    if (load_.only_appends) {
      return percent < 50 ? HistoryOp::kGet : HistoryOp::kAppend;
    }
    if (!load_.mixed) {
      const auto cas = load_.values == 0 ? 0u : 30u;
      return percent < 50         ? HistoryOp::kGet
             : percent < 50 + cas ? HistoryOp::kCas
                                  : HistoryOp::kPut;
    }
    return percent < 30   ? HistoryOp::kGet
           : percent < 45 ? HistoryOp::kPut
           : percent < 65 ? HistoryOp::kCas
           : percent < 85 ? HistoryOp::kAppend
                          : HistoryOp::kDelete;
  }

  void apply(Planned& planned) {
    auto& record = planned.record;
    auto& held = held_[record.key];
    auto& seen = seen_[{record.client, record.key}];
    const auto fresh = fmt::format("v{}.", load_.values == 0 ? ++made_ : prng_.below(load_.values));
    Held next = held;
    switch (record.op) {
      case HistoryOp::kGet:
        record.value = held;
        seen = held;
        break;
      case HistoryOp::kPut:
        record.value = next = fresh;
        break;
      case HistoryOp::kDelete:
        next.reset();
        break;
      case HistoryOp::kAppend:
        record.value = fresh;
        next = held.value_or("") + fresh;
        break;
      default:
        record.expect = prng_.chance(1, 2) ? held : seen;
        record.value = fresh;
        if (record.expect == held) {
          next = fresh;
        } else if (record.ended == Ended::kOk) {
          record.ended = Ended::kFailed;
        }
    }
    if (planned.happens) {
      held = next;
    }
  }

  // One get returns what an earlier get of its key returned long before.
  void spoil() {
    for (auto i = plan_.size() * 98 / 100; i < plan_.size(); ++i) {
      auto& late = plan_[i].record;
      for (auto j = i * 9 / 10; late.op == HistoryOp::kGet && j < i; ++j) {
        const auto& early = plan_[j].record;
        const bool old = early.op == HistoryOp::kGet && early.key == late.key && early.value &&
                         early.value != late.value;
        if (old) {
          late.value = early.value;
          return;
        }
      }
    }
  }

  const Load& load_;
  Prng prng_;
  std::vector<Planned> plan_;
  std::map<std::string, Held> held_;
  std::map<std::pair<std::uint32_t, std::string>, Held> seen_;
  std::uint64_t made_ = 0;
};

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

long peak_kb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// The median of several histories, and the slowest.
void measure(const Load& load) {
  constexpr int kHistories = 5;
  std::vector<double> seconds;
  std::map<std::string, int> answers;
  std::uint64_t nodes = 0;
  std::size_t core = 0;
  long before_kb = 0;
  for (int i = 0; i < kHistories; ++i) {
    const auto history = Store(load, 100 + i).run();
    before_kb = std::max(before_kb, peak_kb());
    const auto start = now_s();
    const auto verdict =
        judge_linearizable(history, Budget(std::chrono::seconds(10), std::size_t{4} << 30));
    seconds.push_back(now_s() - start);
    ++answers[to_string(verdict.answer)];
    nodes = std::max(nodes, verdict.nodes);
    core = std::max(core, verdict.core.size());
  }
  std::sort(seconds.begin(), seconds.end());
  std::string words;
  for (const auto& [answer, count] : answers) {
    words += fmt::format("{}{} {}", words.empty() ? "" : ", ", count, answer);
  }
  fmt::print("| {} | {} | {:.3f} | {:.3f} | {} | {} | {} |\n", load.name, words,
             seconds[kHistories / 2], seconds.back(), nodes, core,
             std::max(before_kb, peak_kb()) / 1024);
  std::fflush(stdout);
}

}  // namespace
}  // namespace kvorum::check

int main(int argc, char** argv) {
  const std::string part = argc > 1 ? argv[1] : "";
  fmt::print("| history | answers | median s | worst s | states | core | peak MiB |\n");
  fmt::print("|---|---|---|---|---|---|---|\n");
  std::fflush(stdout);
  for (const auto& load : kvorum::check::kLoads) {
    if (std::string(load.name).find(part) == std::string::npos) {
      continue;
    }
    const auto child = fork();
    if (child == 0) {
      kvorum::check::measure(load);
      return 0;
    }
    waitpid(child, nullptr, 0);
  }
}
