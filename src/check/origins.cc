#include "check/origins.h"

#include <fmt/format.h>

#include <algorithm>

namespace kvorum::check {
namespace {

constexpr std::size_t kMostChains = 64;       // of one observation; beyond, `complete` is false
constexpr std::uint64_t kMostSteps = 50'000;  // of taking one value apart
constexpr std::uint64_t kMostStepsInAll = 5'000'000;

std::uint64_t slot(std::uint32_t key, Text value) { return (std::uint64_t{key} << 32) | value; }

}  // namespace

OriginFinder::OriginFinder(const Frame& frame, Fold fold) : frame_(frame), fold_(fold) {
  keys_.resize(frame.keys.size());
  for (std::uint32_t key = 0; key < frame.keys.size(); ++key) {
    const auto initial = frame.history->initial_of(frame.keys[key]);
    setters_[slot(key, initial)].push_back(kInitial);
    keys_[key].base_lengths.insert(frame.history->texts[initial].size());
    for (const auto node : frame.writers[key]) {
      index(node);
    }
  }
}

bool OriginFinder::sets_whole(Node node) const {
  const auto& op = frame_.op(node);
  if (op.op == HistoryOp::kIncr) {
    return fold_ != Fold::kEverySite && frame_.nodes[node].observes;
  }
  return op.op != HistoryOp::kAppend;
}

void OriginFinder::index(Node node) {
  const auto& op = frame_.op(node);
  const auto& texts = frame_.history->texts;
  const auto number = frame_.nodes[node].key;
  auto& key = keys_[number];
  if (sets_whole(node)) {
    const auto value = op.op == HistoryOp::kDelete ? kAbsent : op.value;
    setters_[slot(number, value)].push_back(node);
    key.base_lengths.insert(texts[value].size());
  } else if (op.op == HistoryOp::kIncr) {
    key.added.push_back(node);
  } else {
    key.appended = true;
    key.token_lengths.insert(texts[op.value].size());
    tokens_[slot(number, op.value)].push_back(node);
  }
}

const std::vector<Node>& OriginFinder::setters(std::uint32_t key, Text value) const {
  static const std::vector<Node> kNobody;
  const auto found = setters_.find(slot(key, value));
  return found == setters_.end() ? kNobody : found->second;
}

void OriginFinder::add_whole(Node node, Text value, Origins& found) const {
  for (const auto setter : setters(frame_.nodes[node].key, value)) {
    if (setter != node) {
      found.chains.push_back({{setter}, true});
    }
  }
}

// Of a cas whose compare failed: any value but the one that it expected.
void OriginFinder::add_other(Node node, Text value, Origins& found) {
  const auto number = frame_.nodes[node].key;
  const auto& key = keys_[number];
  found.complete = !key.appended && key.added.empty();
  Origins expected;
  if (key.appended) {
    add_appended(node, value, expected);
  } else {
    add_whole(node, value, expected);
  }
  found.whatever = expected.chains.empty() && expected.complete && key.added.empty();
  if (frame_.history->initial_of(frame_.keys[number]) != value) {
    found.chains.push_back({{kInitial}, true});
  }
  for (const auto writer : frame_.writers[number]) {
    const auto& op = frame_.op(writer);
    if (sets_whole(writer) && (op.op == HistoryOp::kDelete ? kAbsent : op.value) != value) {
      found.chains.push_back({{writer}, true});
    }
  }
}

bool OriginFinder::too_many_steps() {
  return ++steps_ > kMostSteps || ++all_steps_ > kMostStepsInAll;
}

struct OriginFinder::Stripping {
  Node node;
  std::string_view text;
  std::vector<Node> tail;  // from the last one backwards
  Origins& found;
};

// Takes text apart from its end: `length` bytes are left.
void OriginFinder::strip(Stripping& at, std::size_t length) {
  const auto number = frame_.nodes[at.node].key;
  const auto& key = keys_[number];
  const auto& texts = frame_.history->texts;
  if (too_many_steps() || at.found.chains.size() > kMostChains) {
    at.found.complete = false;
    return;
  }
  const auto finish = [&](Text value) {
    for (const auto setter : setters(number, value)) {
      if (setter != at.node) {
        Chain chain{{setter}, true};
        chain.writes.insert(chain.writes.end(), at.tail.rbegin(), at.tail.rend());
        at.found.chains.push_back(std::move(chain));
      }
    }
  };
  if (key.base_lengths.contains(length)) {
    const auto value = texts.find(at.text.substr(0, length));
    if (value != kAbsent) {
      finish(value);
    }
    if (length == 0 && !at.tail.empty()) {
      finish(kAbsent);
    }
  }
  for (const auto size : key.token_lengths) {
    if (size == 0) {
      at.found.complete = false;  // an empty text can have been appended anywhere
      continue;
    }
    if (size > length) {
      break;
    }
    const auto token = texts.find(at.text.substr(length - size, size));
    const auto known = tokens_.find(slot(number, token));
    if (token == kAbsent || known == tokens_.end()) {
      continue;
    }
    for (const auto append : known->second) {
      if (append != at.node && std::find(at.tail.begin(), at.tail.end(), append) == at.tail.end()) {
        at.tail.push_back(append);
        strip(at, length - size);
        at.tail.pop_back();
      }
    }
  }
}

void OriginFinder::add_appended(Node node, Text value, Origins& found) {
  if (value == kAbsent) {
    add_whole(node, value, found);
    return;
  }
  Stripping at{node, frame_.history->texts[value], {}, found};
  steps_ = 0;
  strip(at, at.text.size());
}

void OriginFinder::sums(const Chain& chain, std::size_t from, std::int64_t missing, Node node,
                        Origins& found) {
  if (too_many_steps() || found.chains.size() > kMostChains) {
    found.complete = false;
    return;
  }
  if (missing == 0) {
    found.chains.push_back(chain);
  }
  const auto& added = keys_[frame_.nodes[node].key].added;
  for (auto i = from; i < added.size(); ++i) {
    std::int64_t rest = 0;
    if (added[i] == node || __builtin_sub_overflow(missing, frame_.op(added[i]).by, &rest)) {
      continue;
    }
    auto longer = chain;
    longer.writes.push_back(added[i]);
    sums(longer, i + 1, rest, node, found);
  }
}

void OriginFinder::add_sums(Node node, std::int64_t wanted, Origins& found) {
  const auto key = frame_.nodes[node].key;
  steps_ = 0;
  std::vector<Node> bases = {kInitial};
  std::copy_if(frame_.writers[key].begin(), frame_.writers[key].end(), std::back_inserter(bases),
               [&](Node writer) { return writer != node && sets_whole(writer); });
  for (const auto base : bases) {
    const auto value = base == kInitial ? frame_.history->initial_of(frame_.keys[key])
                       : frame_.op(base).op == HistoryOp::kDelete ? kAbsent
                                                                  : frame_.op(base).value;
    const auto number = value == kAbsent ? 0 : number_in(frame_.history->texts[value]);
    std::int64_t missing = 0;
    if (number && !__builtin_sub_overflow(wanted, *number, &missing)) {
      // With nothing added, the base's own text was read, which the caller has looked up.
      sums({{base}, false}, 0, missing, node, found);
    }
  }
  std::erase_if(found.chains, [](const Chain& c) { return !c.ordered && c.writes.size() == 1; });
}

// What the client did only later is no source as long as there is another one.
void OriginFinder::drop_future(Node node, Origins& found) const {
  const auto future = [&](const Chain& chain) {
    return std::any_of(chain.writes.begin(), chain.writes.end(), [&](Node write) {
      return write != kInitial && frame_.session_before(node, write);
    });
  };
  if (!std::all_of(found.chains.begin(), found.chains.end(), future)) {
    std::erase_if(found.chains, future);
  }
}

Origins OriginFinder::of(Node node) {
  Origins found;
  const auto& op = frame_.op(node);
  const auto& key = keys_[frame_.nodes[node].key];
  if (op.op == HistoryOp::kCas && op.ended == Ended::kFailed) {
    add_other(node, op.expect, found);
  } else if (op.op == HistoryOp::kIncr) {
    const auto result = number_in(frame_.history->texts[op.value]);
    std::int64_t wanted = 0;
    if (!result || __builtin_sub_overflow(*result, op.by, &wanted)) {
      return found;  // no number can become this
    }
    if (const auto text = frame_.history->texts.find(fmt::to_string(wanted)); text != kAbsent) {
      add_whole(node, text, found);
    }
    if (wanted == 0) {
      add_whole(node, kAbsent, found);
    }
    add_sums(node, wanted, found);
    found.complete = found.complete && !key.appended;
  } else {
    const auto value = op.op == HistoryOp::kCas ? op.expect : op.value;
    if (key.appended) {
      add_appended(node, value, found);
      found.complete = found.complete && key.added.empty();
    } else {
      add_whole(node, value, found);
      const auto number = value == kAbsent ? std::nullopt : number_in(frame_.history->texts[value]);
      if (number && !key.added.empty()) {
        add_sums(node, *number, found);
      }
    }
  }
  if (fold_ != Fold::kPrefixes) {
    drop_future(node, found);
  }
  return found;
}

}  // namespace kvorum::check
