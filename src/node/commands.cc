#include "node/commands.h"

#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "base/ascii.h"
#include "base/parse.h"
#include "kv/number.h"
#include "node/command_table.h"

namespace kvorum::node {
namespace {

using Args = std::span<const ByteView>;

constexpr std::int64_t kMaxInt = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMinInt = std::numeric_limits<std::int64_t>::min();
// No stamp of an entry reaches this (the year 287,396), so stamp + a relative time below can't
// overflow.
constexpr std::int64_t kLatestStampMs = std::int64_t{1} << 53;
constexpr std::size_t kQuotedBytes =
    128;  // of an unknown command that its error repeats, as in Redis
// A glob that no key matches: an empty set of characters.
constexpr ByteView kMatchesNothing = "[]";

// One line: a RESP error can't carry line breaks.
std::string printable(ByteView text, std::size_t limit) {
  std::string out(text.substr(0, limit));
  for (auto& c : out) {
    c = c == '\r' || c == '\n' ? ' ' : c;
  }
  return out;
}

tl::unexpected<Error> unknown_command(Args args) {
  std::string quoted;
  for (std::size_t i = 1; i < args.size() && quoted.size() < kQuotedBytes; ++i) {
    quoted += fmt::format("'{}' ", printable(args[i], kQuotedBytes - quoted.size()));
  }
  const auto name = args.empty() ? std::string() : printable(args[0], kQuotedBytes);
  return fail(ErrorCode::kGeneric, "unknown command '{}', with args beginning with: {}", name,
              quoted);
}

tl::unexpected<Error> wrong_arity(const CommandSpec& spec) {
  return fail(ErrorCode::kGeneric, "wrong number of arguments for '{}' command", spec.name);
}

tl::unexpected<Error> bad_expire_time(const CommandSpec& spec) {
  return fail(ErrorCode::kGeneric, "invalid expire time in '{}' command", spec.name);
}

// A time to live or a deadline, into command.number in milliseconds. `unit` is ms per unit; flags
// say relative or absolute.
Result<void> set_deadline(const CommandSpec& spec, ByteView text, std::int64_t unit,
                          bool positive_only, Command& command) {
  const auto value = kv::parse_integer(text);
  if (!value) {
    return fail(ErrorCode::kNotInteger);
  }
  const auto limit = command.has(kRelativeTtl) ? kMaxInt - kLatestStampMs : kMaxInt;
  if ((positive_only && *value <= 0) || *value > limit / unit || *value < kMinInt / unit) {
    return bad_expire_time(spec);
  }
  command.number = *value * unit;
  return {};
}

struct TtlOption {
  ByteView word;
  std::int64_t unit;
  CommandFlag flag;
};
constexpr TtlOption kTtlOptions[] = {{"EX", 1000, kRelativeTtl},
                                     {"PX", 1, kRelativeTtl},
                                     {"EXAT", 1000, kAbsoluteTtl},
                                     {"PXAT", 1, kAbsoluteTtl}};
constexpr std::uint16_t kAnyTtl = kRelativeTtl | kAbsoluteTtl | kKeepTtl | kPersistTtl;

const TtlOption* find_ttl_option(ByteView word) {
  for (const auto& option : kTtlOptions) {
    if (same_word(word, option.word)) {
      return &option;
    }
  }
  return nullptr;
}

struct WordOption {
  ByteView word;
  CommandFlag flag;
  std::uint16_t excludes;
};
constexpr WordOption kSetWords[] = {{"NX", kIfAbsent, kIfPresent},
                                    {"XX", kIfPresent, kIfAbsent},
                                    {"GET", kReturnOld, 0},
                                    {"KEEPTTL", kKeepTtl, kAnyTtl & ~kKeepTtl}};
constexpr WordOption kGetExWords[] = {{"PERSIST", kPersistTtl, kAnyTtl & ~kPersistTtl}};

// Options of SET and GETEX. A conflict is a syntax error; only then are times looked at, as in
// Redis.
Result<void> read_options(const CommandSpec& spec, Args options, std::span<const WordOption> words,
                          Command& command) {
  ByteView time;
  std::int64_t unit = 1;
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (const auto* ttl = find_ttl_option(options[i])) {
      if ((command.flags & kAnyTtl) != 0 || i + 1 == options.size()) {
        return fail(ErrorCode::kSyntax);
      }
      command.flags |= ttl->flag;
      unit = ttl->unit;
      time = options[++i];
      continue;
    }
    const WordOption* found = nullptr;
    for (const auto& word : words) {
      found = same_word(options[i], word.word) ? &word : found;
    }
    if (found == nullptr || (command.flags & found->excludes) != 0) {
      return fail(ErrorCode::kSyntax);
    }
    command.flags |= found->flag;
  }
  if ((command.flags & (kRelativeTtl | kAbsoluteTtl)) != 0) {
    return set_deadline(spec, time, unit, true, command);
  }
  return {};
}

Result<void> decode_set(const CommandSpec& spec, Args args, Command& command) {
  command.args = {args[1], args[2]};
  return args.size() == 3 ? Result<void>()
                          : read_options(spec, args.subspan(3), kSetWords, command);
}

Result<void> decode_get_ex(const CommandSpec& spec, Args args, Command& command) {
  command.args = {args[1]};
  if (args.size() == 2) {
    command.op = Op::kGet;  // nothing to change: a plain read, without the log
    return {};
  }
  return read_options(spec, args.subspan(2), kGetExWords, command);
}

Result<void> decode_expire(const CommandSpec& spec, Args args, Command& command) {
  command.args = {args[1]};
  for (const auto option : args.subspan(3)) {
    if (same_word(option, "NX")) {
      command.flags |= kIfAbsent;
    } else if (same_word(option, "XX")) {
      command.flags |= kIfPresent;
    } else if (same_word(option, "GT")) {
      command.flags |= kIfGreater;
    } else if (same_word(option, "LT")) {
      command.flags |= kIfLess;
    } else {
      return fail(ErrorCode::kGeneric, "Unsupported option {}", printable(option, kQuotedBytes));
    }
  }
  if (command.has(kIfAbsent) && (command.flags & (kIfPresent | kIfGreater | kIfLess)) != 0) {
    return fail(ErrorCode::kGeneric,
                "NX and XX, GT or LT options at the same time are not compatible");
  }
  if (command.has(kIfGreater) && command.has(kIfLess)) {
    return fail(ErrorCode::kGeneric, "GT and LT options at the same time are not compatible");
  }
  return set_deadline(spec, args[2], spec.preset_number, false, command);
}

Result<void> decode_set_range(Args args, const Limits& limits, Command& command) {
  const auto offset = kv::parse_integer(args[2]);
  if (!offset) {
    return fail(ErrorCode::kNotInteger);
  }
  if (*offset < 0) {
    return fail(ErrorCode::kOffset);
  }
  const auto end = static_cast<std::uint64_t>(*offset) + args[3].size();
  if (!args[3].empty() && end > limits.value_bytes) {
    return fail(ErrorCode::kTooLong);
  }
  command.args = {args[1], args[3]};
  command.number = *offset;
  return {};
}

Result<void> decode_get_range(Args args, Command& command) {
  const auto start = kv::parse_integer(args[2]);
  const auto end = kv::parse_integer(args[3]);
  if (!start || !end) {
    return fail(ErrorCode::kNotInteger);
  }
  command.args = {args[1]};
  command.number = *start;
  command.number2 = *end;
  return {};
}

Result<void> decode_delta(const CommandSpec& spec, Args args, Command& command) {
  const auto delta = kv::parse_integer(args[2]);
  if (!delta) {
    return fail(ErrorCode::kNotInteger);
  }
  if (spec.preset_number < 0 && *delta == kMinInt) {
    return fail(ErrorCode::kGeneric, "decrement would overflow");
  }
  command.args = {args[1]};
  command.number = spec.preset_number < 0 ? -*delta : *delta;
  return {};
}

// Refused here, before the log, is what the machine would refuse too; the text itself goes on.
Result<void> decode_float_delta(Args args, Command& command) {
  const auto value = kv::parse_float(args[2]);
  if (!value) {
    return fail(ErrorCode::kNotFloat);
  }
  if (std::isinf(*value)) {
    return fail(ErrorCode::kNanOrInfinity);
  }
  command.args = {args[1], args[2]};
  return {};
}

Result<void> decode_scan(Args args, Command& command) {
  const auto cursor = parse_number<std::uint64_t>(args[1]);
  if (!cursor || *cursor > static_cast<std::uint64_t>(kMaxInt)) {
    return fail(ErrorCode::kInvalidCursor);
  }
  command.number = static_cast<std::int64_t>(*cursor);
  command.number2 = 10;
  std::optional<ByteView> pattern;
  bool no_such_type = false;
  for (std::size_t i = 2; i < args.size(); i += 2) {
    if (i + 1 == args.size()) {
      return fail(ErrorCode::kSyntax);
    }
    if (same_word(args[i], "COUNT")) {
      const auto count = kv::parse_integer(args[i + 1]);
      if (!count) {
        return fail(ErrorCode::kNotInteger);
      }
      if (*count < 1) {
        return fail(ErrorCode::kSyntax);
      }
      command.number2 = *count;
    } else if (same_word(args[i], "MATCH")) {
      pattern = args[i + 1];
    } else if (same_word(args[i], "TYPE")) {
      no_such_type = !same_word(args[i + 1], "STRING");
    } else {
      return fail(ErrorCode::kSyntax);
    }
  }
  if (no_such_type) {
    pattern = kMatchesNothing;
  }
  if (pattern) {
    command.args = {*pattern};
  }
  return {};
}

Result<void> decode_cas(const CommandSpec& spec, Args args, Command& command) {
  command.args = {args[1], args[2], args[3]};
  if (args.size() > 5) {
    return wrong_arity(spec);
  }
  if (args.size() == 4) {
    return {};
  }
  if (same_word(args[4], "IFABSENT")) {
    command.flags |= kExpectAbsent;
  } else if (same_word(args[4], "KEEPTTL")) {
    command.flags |= kKeepTtl;
  } else {
    return fail(ErrorCode::kSyntax);
  }
  return {};
}

Result<void> decode_flush(Args args) {
  const bool fits =
      args.size() == 1 ||
      (args.size() == 2 && (same_word(args[1], "ASYNC") || same_word(args[1], "SYNC")));
  return fits ? Result<void>() : fail(ErrorCode::kSyntax);
}

Result<void> decode(const CommandSpec& spec, Args args, const Limits& limits, Command& command) {
  switch (spec.decode) {
    case Decode::kPairs:
      if (args.size() % 2 == 0) {
        return wrong_arity(spec);
      }
      [[fallthrough]];
    case Decode::kPlain:
      command.args.assign(args.begin() + 1, args.end());
      return {};
    case Decode::kAtMostOne:
      return args.size() > 2 ? wrong_arity(spec) : Result<void>();
    case Decode::kSet:
      return decode_set(spec, args, command);
    case Decode::kSetEx:
      command.args = {args[1], args[3]};
      return set_deadline(spec, args[2], spec.preset_number, true, command);
    case Decode::kGetEx:
      return decode_get_ex(spec, args, command);
    case Decode::kSetRange:
      return decode_set_range(args, limits, command);
    case Decode::kGetRange:
      return decode_get_range(args, command);
    case Decode::kDelta:
      return decode_delta(spec, args, command);
    case Decode::kFloatDelta:
      return decode_float_delta(args, command);
    case Decode::kExpire:
      return decode_expire(spec, args, command);
    case Decode::kFlush:
      return decode_flush(args);
    case Decode::kScan:
      return decode_scan(args, command);
    case Decode::kCas:
      return decode_cas(spec, args, command);
  }
  return fail(ErrorCode::kSyntax);
}

Result<void> check_sizes(const Command& command, const Limits& limits) {
  for (const auto arg : command.args) {
    if (arg.size() > limits.value_bytes) {
      return fail(ErrorCode::kTooLong);
    }
  }
  std::size_t longest = 0;
  each_key(command, [&](ByteView key) { longest = key.size() > longest ? key.size() : longest; });
  if (longest > limits.key_bytes) {
    return fail(ErrorCode::kGeneric, "key is too long: {} bytes, the limit is {}", longest,
                limits.key_bytes);
  }
  return {};
}

}  // namespace

Result<Parsed> parse(std::span<const ByteView> args, const Limits& limits) {
  const auto* spec = args.empty() ? nullptr : find_command(args[0]);
  if (spec == nullptr) {
    return unknown_command(args);
  }
  const auto count = static_cast<std::int64_t>(args.size());
  if (spec->arity >= 0 ? count != spec->arity : count < -spec->arity) {
    return wrong_arity(*spec);
  }
  Result<Parsed> parsed;
  parsed->verb = spec->verb;
  auto& command = parsed->command;
  if (spec->verb == Verb::kData || spec->decode != Decode::kPlain) {
    command.op = spec->op;
    command.flags = spec->preset_flags;
    command.number = spec->preset_number;
    if (auto done = decode(*spec, args, limits, command); !done) {
      return tl::unexpected(std::move(done.error()));
    }
    if (auto fits = check_sizes(command, limits); !fits) {
      return tl::unexpected(std::move(fits.error()));
    }
  }
  return parsed;
}

}  // namespace kvorum::node
