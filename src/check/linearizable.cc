// Linearizability (Herlihy & Wing, TOPLAS 1990) is local: a history has it if each key's has.
#include "check/linearizable.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "check/core.h"
#include "check/key_judge.h"

namespace kvorum::check {
namespace {

struct Key {
  Text name = kAbsent;
  std::vector<std::uint32_t> operations;
};

std::vector<Key> split(const History& history, const LinearRules& rules) {
  std::vector<Key> keys;
  std::vector<std::uint32_t> index(history.texts.size(), 0);
  for (std::uint32_t i = 0; i < history.operations.size(); ++i) {
    const auto& operation = history.operations[i];
    if (rules.only_final_gets && operation.op == HistoryOp::kGet && !operation.final) {
      continue;
    }
    auto& at = index[operation.key];
    if (at == 0) {
      keys.push_back({operation.key, {}});
      at = static_cast<std::uint32_t>(keys.size());
    }
    keys[at - 1].operations.push_back(i);
  }
  return keys;
}

class Judgement {
 public:
  Judgement(const History& history, const LinearRules& rules, const Budget& budget)
      : history_(history), rules_(rules), budget_(budget) {}

  Verdict run() {
    const auto keys = split(history_, rules_);
    for (const auto& key : keys) {
      if (stop(key)) {
        return verdict_;
      }
      Open open{&key, std::make_unique<KeyJudge>(history_, key.operations, rules_.gets)};
      if (settled(open)) {
        return verdict_;
      }
      if (open.judge->answer() == Answer::kUnknown) {
        open_.push_back(std::move(open));
      }
    }
    // More states for each in turn, so that no hard key hides another's violation.
    constexpr std::uint64_t kFirstRound = 4096;
    for (auto nodes = kFirstRound; !open_.empty(); nodes *= 2) {
      for (auto& open : open_) {
        if (!search(open, nodes)) {
          return verdict_;
        }
      }
      std::erase_if(open_, [](const Open& open) { return open.judge->answer() == Answer::kOk; });
    }
    return verdict_;
  }

 private:
  struct Open {
    const Key* key = nullptr;
    std::unique_ptr<KeyJudge> judge;
    std::size_t bytes = 0;
    std::uint64_t nodes = 0;
  };

  // False once the verdict is complete.
  bool search(Open& open, std::uint64_t nodes) {
    constexpr std::uint64_t kSlice = 512;
    for (const auto end = open.nodes + nodes;
         open.judge->answer() == Answer::kUnknown && open.nodes < end;) {
      if (stop(*open.key, open.nodes)) {
        return false;
      }
      open.judge->search(kSlice);
      verdict_.nodes += open.judge->nodes() - open.nodes;
      open.nodes = open.judge->nodes();
      bytes_ += open.judge->bytes() - open.bytes;
      open.bytes = open.judge->bytes();
    }
    if (open.judge->answer() == Answer::kOk) {
      bytes_ -= open.bytes;
      open.bytes = 0;
    }
    return !settled(open);
  }

  bool settled(Open& open) {
    if (open.judge->answer() != Answer::kViolation) {
      return false;
    }
    verdict_.answer = Answer::kViolation;
    const auto nodes = open.judge->nodes();
    open.judge.reset();
    explain_core(history_, find_core(history_, open.key->operations, rules_.gets, nodes, budget_),
                 verdict_);
    return true;
  }

  bool stop(const Key& key, std::uint64_t nodes = 0) {
    const char* reason = budget_.spent(bytes_);
    if (reason == nullptr) {
      return false;
    }
    verdict_.answer = Answer::kUnknown;
    verdict_.reason = reason;
    verdict_.detail = fmt::format("key {}: {} operations, {} states searched",
                                  history_.texts[key.name], key.operations.size(), nodes);
    return true;
  }

  const History& history_;
  const LinearRules& rules_;
  const Budget& budget_;
  std::vector<Open> open_;
  std::size_t bytes_ = 0;
  Verdict verdict_;
};

}  // namespace

Verdict judge_by_key(const History& history, const LinearRules& rules, const Budget& budget) {
  return Judgement(history, rules, budget).run();
}

Verdict judge_linearizable(const History& history, const Budget& budget) {
  auto verdict = judge_by_key(history, {}, budget);
  verdict.model = {ModelKind::kLinearizable, 0};
  return verdict;
}

}  // namespace kvorum::check
