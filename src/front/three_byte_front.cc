#include "front/three_byte_front.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace kvorum::front {
namespace {

using Kind = ScalarReplies::Kind;

constexpr Duration kPatience = 60s;  // for the rest of a command
constexpr char kNone = '\0';
constexpr ByteView kBlanks = " \t\r\n";
constexpr ByteView kVariableNames = "abcdefghijklmnopqrstuvwxyz";

bool is_variable(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// How many of the bytes, from the first on, fit a command, and how many the command has.
struct Fit {
  std::size_t good;
  std::size_t whole;
};

Fit fit(ByteView bytes) {
  const auto at = [bytes](std::size_t i) { return i < bytes.size() ? bytes[i] : kNone; };
  switch (at(0)) {
    case 'd':
      return {1, 1};
    case 'g':
      return {is_variable(at(1)) ? std::size_t{2} : 1, 2};
    case 'p':
      return {!is_variable(at(1)) ? std::size_t{1} : is_digit(at(2)) ? 3 : 2, 3};
    default:
      return {0, 1};
  }
}

// The digit that a reply to a read stands for; none if it is an error or something else.
char digit_of(const ScalarReplies::Reply& reply) {
  if (reply.kind == Kind::kNil) {
    return '0';
  }
  const bool good = reply.kind == Kind::kBulk && reply.text.size() == 1 && is_digit(reply.text[0]);
  return good ? reply.text[0] : kNone;
}

Bytes why_not(char variable, const ScalarReplies::Reply& reply) {
  return reply.kind == Kind::kError ? Bytes(reply.text)
                                    : fmt::format("ERR {} holds no digit", variable);
}

}  // namespace

ThreeByteFront::ThreeByteFront(Log log, Bytes& out)
    : log_(std::move(log)),
      out_(out),
      replies_([this](const ScalarReplies::Reply& reply) { on_reply(reply); }) {}

Duration ThreeByteFront::patience() const { return within_request() ? kPatience : Duration::max(); }

void ThreeByteFront::expire() { say("ERR the rest of the command did not come in time"); }

void ThreeByteFront::say(ByteView text) {
  out_ += "E ";
  out_ += text;
  out_ += '\n';
}

Front::Status ThreeByteFront::next() {
  if (ending_) {
    return Status::kWaits;
  }
  if (dump_next_ > 0) {
    return ask_next_variable();
  }
  const auto skipped = std::min(buffer_.rest().find_first_not_of(kBlanks), buffer_.rest().size());
  buffer_.consume(skipped);
  const auto bytes = buffer_.rest();
  if (bytes.empty()) {
    return Status::kNeedMore;
  }
  const auto [good, whole] = fit(bytes);
  if (good < whole) {
    return good == bytes.size() ? Status::kNeedMore : refuse(bytes.substr(0, good + 1));
  }
  buffer_.consume(whole);
  switch (bytes[0]) {
    case 'p':
      return ask({Owed::Kind::kPut, bytes[1]}, {"SET", bytes.substr(1, 1), bytes.substr(2, 1)});
    case 'g':
      return ask({Owed::Kind::kGet, bytes[1]}, {"GET", bytes.substr(1, 1)});
    default:
      return ask_next_variable();
  }
}

Front::Status ThreeByteFront::ask(Owed owed, std::initializer_list<ByteView> args) {
  arg_count_ = args.size();
  std::copy(args.begin(), args.end(), args_.begin());
  owed_.push_back(owed);
  return Status::kRequest;
}

// Of a dump. They may lie in different partitions, and a node that is cut off tells what it has,
// too.
Front::Status ThreeByteFront::ask_next_variable() {
  const auto name = kVariableNames.substr(dump_next_, 1);
  dump_next_ = (dump_next_ + 1) % kVariableNames.size();
  return ask({Owed::Kind::kDump, name[0]}, {"KV.AT", "eventual", "GET", name});
}

Front::Status ThreeByteFront::refuse(ByteView bytes) {
  Bytes shown;
  for (const char c : bytes) {
    shown +=
        c > ' ' && c <= '~' ? Bytes(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  ending_ = true;
  last_words_ = "ERR no command begins with " + shown + "; there are px2, gx and d";
  if (owed_.empty()) {
    say(last_words_);
  } else {
    owed_.push_back({Owed::Kind::kEnd, kNone});
  }
  return Status::kAnswered;
}

void ThreeByteFront::on_reply(const ScalarReplies::Reply& reply) {
  CHECK(!owed_.empty(), "a reply that nobody asked for");
  const auto [kind, variable] = owed_.front();
  owed_.pop_front();
  const auto digit = digit_of(reply);
  if (kind == Owed::Kind::kDump) {
    if (digit == kNone && dump_error_.empty()) {
      dump_error_ = why_not(variable, reply);
    }
    on_dumped(variable, digit);
  } else if (kind == Owed::Kind::kPut && reply.kind == Kind::kStatus) {
    out_ += 'A';
  } else if (kind == Owed::Kind::kGet && digit != kNone) {
    out_ += digit;
  } else {
    say(why_not(variable, reply));
  }
  if (!owed_.empty() && owed_.front().kind == Owed::Kind::kEnd) {
    owed_.pop_front();
    say(last_words_);
  }
}

// All of them are written, or none.
void ThreeByteFront::on_dumped(char variable, char digit) {
  dumped_ += digit;
  if (variable != kVariableNames.back()) {
    return;
  }
  if (dump_error_.empty()) {
    for (std::size_t i = 0; i < kVariableNames.size(); ++i) {
      log_(fmt::format("variable {} = {}", kVariableNames[i], dumped_[i]));
    }
    out_ += 'A';
  } else {
    say(dump_error_);
  }
  dumped_.clear();
  dump_error_.clear();
}

}  // namespace kvorum::front
