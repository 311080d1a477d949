#include "model/fault.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/ascii.h"
#include "base/parse.h"

namespace kvorum {
namespace {

using Verb = FaultCommand::Verb;

constexpr std::size_t kLongestWord = 32;
constexpr Duration kLongest = std::chrono::hours(24);

enum Takes : std::uint8_t {
  kNoNodes = 0,
  kMayNodes = 1 << 0,
  kNodes = 1 << 1,
  kTime = 1 << 2,
  kChance = 1 << 3,
  kOneway = 1 << 4,
  kSeed = 1 << 5,
  kFor = 1 << 6,
  kOneNode = 1 << 7,
};

struct Shape {
  ByteView word;
  Verb verb;
  FaultKind kind;
  std::uint8_t takes;
};

constexpr Shape kShapes[] = {
    {"cut", Verb::kRule, FaultKind::kCut, kNodes | kOneway | kFor},
    {"hold", Verb::kRule, FaultKind::kHold, kNodes | kOneway | kFor},
    {"delay", Verb::kRule, FaultKind::kDelay, kNodes | kTime | kOneway | kSeed | kFor},
    {"drop", Verb::kRule, FaultKind::kDrop, kNodes | kChance | kOneway | kSeed | kFor},
    {"disk", Verb::kRule, FaultKind::kDisk, kOneNode | kTime | kFor},
    {"clock", Verb::kRule, FaultKind::kClock, kOneNode | kTime | kFor},
    {"release", Verb::kRelease, FaultKind::kHold, kNodes | kOneway},
    {"heal", Verb::kHeal, FaultKind::kCut, kMayNodes},
    {"reset", Verb::kHeal, FaultKind::kCut, kNoNodes},
    {"status", Verb::kStatus, FaultKind::kCut, kNoNodes},
};

// Takes the words from the left and keeps the first error.
class FaultParser {
 public:
  FaultParser(std::span<const ByteView> words, std::span<const NodeId> members)
      : words_(words), members_(members) {}

  Result<FaultCommand> parse() {
    const auto name = next("what to do");
    const auto* const shape = std::find_if(std::begin(kShapes), std::end(kShapes),
                                           [&](const Shape& one) { return one.word == name; });
    if (shape == std::end(kShapes)) {
      complain("unknown word '{}'", name);
      return tl::unexpected(*error_);
    }
    command_.verb = shape->verb;
    command_.kind = shape->kind;
    if ((shape->takes & kNodes) != 0 || ((shape->takes & kMayNodes) != 0 && !words_.empty())) {
      ends();
    }
    if ((shape->takes & kOneNode) != 0) {
      command_.a = command_.b = node();
      if (!command_.a) {
        complain("it is about one node");
      }
    }
    if ((shape->takes & kTime) != 0) {
      const bool behind =
          shape->kind == FaultKind::kClock && !words_.empty() && words_[0].starts_with('-');
      command_.delay = behind ? -time("a time", 1) : time("a delay");
    }
    if ((shape->takes & kChance) != 0) {
      command_.percent = chance();
    }
    while (!words_.empty() && !error_) {
      option(shape->takes);
    }
    finish();
    return error_ ? Result<FaultCommand>(tl::unexpected(*error_)) : command_;
  }

 private:
  template <class... Args>
  void complain(fmt::format_string<Args...> text, Args&&... args) {
    if (!error_) {
      error_ =
          Error{ErrorCode::kGeneric, "KV.FAULT: " + fmt::format(text, std::forward<Args>(args)...)};
    }
  }

  std::string next(ByteView what) {
    if (words_.empty()) {
      complain("{} is missing", what);
      return {};
    }
    const auto word = lower(words_[0].substr(0, kLongestWord));
    if (words_[0].size() > kLongestWord) {
      complain("unknown word '{}...'", word);
    }
    words_ = words_.subspan(1);
    return word;
  }

  NodeId node() {
    const auto word = next("a node");
    if (word == "*" || error_) {
      return {};
    }
    const auto id = parse_number<std::uint32_t>(word);
    if (!id) {
      complain("'{}' is no node", word);
    } else if (std::find(members_.begin(), members_.end(), NodeId(*id)) == members_.end()) {
      complain("node {} is not in the cluster", *id);
    }
    return NodeId(id.value_or(0));
  }

  void ends() {
    command_.a = node();
    command_.b = node();
    if (!command_.a && !command_.b) {
      complain("one of the two ends must be a node");
    } else if (command_.a == command_.b) {
      complain("a link has two ends, and {} is one", command_.a.value());
    }
  }

  // Without its first `skipped` characters, a sign.
  Duration time(ByteView what, std::size_t skipped = 0) {
    const auto word = next(what).substr(skipped);
    const auto digits = std::min(word.find_first_not_of("0123456789"), word.size());
    const auto count = parse_number<std::uint32_t>(ByteView(word).substr(0, digits));
    const auto unit = ByteView(word).substr(digits);
    const Duration one = unit == "us"   ? std::chrono::microseconds(1)
                         : unit == "ms" ? Duration(1ms)
                                        : 1s;
    const bool known = unit == "us" || unit == "ms" || unit == "s";
    if (!count || !known || *count > kLongest / one) {
      complain("'{}' is no time, like 500us, 50ms or 2s, up to a day", word);
      return {};
    }
    return *count * one;
  }

  std::uint32_t chance() {
    const auto word = next("a chance");
    const auto percent =
        word.ends_with('%') ? parse_number<std::uint32_t>(ByteView(word).substr(0, word.size() - 1))
                            : std::nullopt;
    if (!percent || *percent > 100) {
      complain("'{}' is no chance, like 20%, up to 100%", word);
    }
    return percent.value_or(0);
  }

  void option(std::uint8_t takes) {
    const auto word = next("an option");
    const bool delays = (takes & kTime) != 0 && (takes & kOneNode) == 0;
    if (word == "oneway" && (takes & kOneway) != 0) {
      once(word, command_.oneway);
      command_.oneway = true;
    } else if (word == "unordered" && delays) {
      once(word, command_.unordered);
      command_.unordered = true;
    } else if (word == "jitter" && delays) {
      once(word, command_.jitter != Duration());
      command_.jitter = time("a jitter");
    } else if (word == "seed" && (takes & kSeed) != 0) {
      once(word, command_.seed.has_value());
      seed();
    } else if (word == "for" && (takes & kFor) != 0) {
      lasts();
    } else {
      complain("unknown word '{}'", word);
    }
  }

  void once(ByteView word, bool already) {
    if (already) {
      complain("'{}' is said twice", word);
    }
  }

  void seed() {
    const auto word = next("a seed");
    command_.seed = parse_number<std::uint64_t>(word);
    if (!command_.seed) {
      complain("'{}' is no seed, a number from 0 to 2^64 - 1", word);
    }
  }

  void lasts() {
    command_.lasts = time("how long");
    if (command_.lasts == Duration()) {
      complain("a rule for no time at all");
    }
    if (!words_.empty()) {
      complain("'for' and its time come last");
    }
  }

  void finish() {
    if (command_.jitter > Duration() && command_.jitter > command_.delay) {
      complain("a jitter cannot be longer than its delay");
    }
    if (command_.verb == Verb::kRule && command_.kind == FaultKind::kCut && command_.oneway) {
      command_.kind = FaultKind::kMute;
    }
  }

  std::span<const ByteView> words_;
  std::span<const NodeId> members_;
  FaultCommand command_;
  std::optional<Error> error_;
};

}  // namespace

Result<FaultCommand> parse_fault(std::span<const ByteView> words, std::span<const NodeId> members) {
  return FaultParser(words, members).parse();
}

}  // namespace kvorum
