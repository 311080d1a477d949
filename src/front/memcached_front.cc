#include "front/memcached_front.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/parse.h"

namespace kvorum::front {
namespace {

using Verb = MemcachedVerb;
using Kind = ScalarReplies::Kind;

constexpr Duration kPatience = 60s;  // for the rest of a request
// A lifetime above this is a time since 1970.
constexpr std::int64_t kLongestLifetime_s = 30 * 24 * 3600;
constexpr ByteView kEnd = "\r\n";
// Of a memcached without meta commands: libmemcached does not take our 0.x for a version.
constexpr ByteView kLikeVersion = "1.4.0";

bool is_count(Verb verb) { return verb == Verb::kIncr || verb == Verb::kDecr; }

// What stands for an error of the node, or for a reply that the request cannot have.
Bytes other_reply(const ScalarReplies::Reply& reply) {
  switch (reply.kind) {
    case Kind::kError:
      return "SERVER_ERROR " + Bytes(reply.text);
    case Kind::kMany:
      return "SERVER_ERROR SIBLINGS the key has several values at once";
    default:
      return "SERVER_ERROR ERR a reply of another kind";
  }
}

}  // namespace

MemcachedFront::MemcachedFront(MemcachedOptions options, Bytes& out)
    : options_(std::move(options)),
      out_(out),
      parser_(options_.limits),
      replies_([this](const Reply& reply) { on_reply(reply); }) {}

Duration MemcachedFront::patience() const {
  return parser_.within_request() ? kPatience : Duration::max();
}

void MemcachedFront::expire() {
  out_ += "CLIENT_ERROR the rest of the request did not come in time";
  out_ += kEnd;
}

Front::Status MemcachedFront::next() {
  if (ending_ || owed_.size() >= kMaxOwed) {
    return Status::kWaits;
  }
  if (change_) {
    return go_on_changing();
  }
  if (keys_left_) {
    return ask_key();
  }
  switch (parser_.next()) {
    case MemcachedParser::Status::kNeedMore:
      return Status::kNeedMore;
    case MemcachedParser::Status::kRequest:
      return begin();
    case MemcachedParser::Status::kRefused:
      return answer(parser_.answer(), parser_.request().silent);
    case MemcachedParser::Status::kFatal:
      break;
  }
  ending_ = true;
  return answer(parser_.answer());
}

Front::Status MemcachedFront::begin() {
  const auto& request = parser_.request();
  const auto silent = request.silent;
  switch (request.verb) {
    case Verb::kGet:
    case Verb::kGets:
    case Verb::kGat:
    case Verb::kGats:
      return ask_key();
    case Verb::kSet:
    case Verb::kAdd:
    case Verb::kReplace:
      return store();
    case Verb::kAppend:
    case Verb::kPrepend:
    case Verb::kIncr:
    case Verb::kDecr:
    case Verb::kCas:
      return change();
    case Verb::kDelete:
      return ask({"DEL", request.keys[0]}, {Owed::Kind::kDelete, silent, false, false, {}});
    case Verb::kTouch: {
      const auto status =
          ask({"GETEX", request.keys[0]}, {Owed::Kind::kTouch, silent, false, false, {}});
      add_lifetime(request.lifetime_s, "PERSIST");
      return status;
    }
    case Verb::kFlushAll:
      return flush_all();
    case Verb::kStats:
      return ask({"DBSIZE"}, {Owed::Kind::kStats, false, false, false, {}});
    case Verb::kVersion:
      return answer("VERSION " + Bytes(kLikeVersion));
    case Verb::kVerbosity:
      return answer("OK", silent);  // the log has one level for all
    case Verb::kQuit:
      ending_ = true;
      return Status::kAnswered;
  }
  return Status::kFatal;
}

Front::Status MemcachedFront::ask(std::initializer_list<ByteView> args, Owed owed) {
  args_.assign(args);
  owed_.push_back(std::move(owed));
  return Status::kRequest;
}

Front::Status MemcachedFront::answer(ByteView line, bool silent) {
  if (silent) {
    return Status::kAnswered;
  }
  Bytes text(line);
  text += kEnd;
  if (owed_.empty()) {
    out_ += text;
  } else {
    owed_.push_back({Owed::Kind::kText, false, false, false, std::move(text)});
  }
  return Status::kAnswered;
}

// Each key is a request of its own: they may lie in different partitions, and memcached does not
// promise the values of one moment.
Front::Status MemcachedFront::ask_key() {
  const auto& request = parser_.request();
  const auto key = request.keys[next_key_];
  const bool touches = request.verb == Verb::kGat || request.verb == Verb::kGats;
  const bool unique = request.verb == Verb::kGets || request.verb == Verb::kGats;
  // GETEX does not tell the version that the row has then, so a GET behind it answers.
  const bool before = unique && touches && !std::exchange(touched_, !touched_);
  const bool last = next_key_ + 1 == request.keys.size();
  if (!before) {
    next_key_ = last ? 0 : next_key_ + 1;
  }
  keys_left_ = before || !last;
  Owed owed{before ? Owed::Kind::kBeforeGet : Owed::Kind::kGet, false, last, unique, Bytes(key)};
  if (before || (touches && !unique)) {
    ask({"GETEX", key}, std::move(owed));
    add_lifetime(request.lifetime_s, "PERSIST");
    return Status::kRequest;
  }
  return unique ? ask({"KV.RECEIPT", "GET", key}, std::move(owed))
                : ask({"GET", key}, std::move(owed));
}

Front::Status MemcachedFront::change() {
  const auto& request = parser_.request();
  const bool cas = request.verb == Verb::kCas;
  change_ = Change{request.verb,
                   request.silent,
                   Bytes(request.keys[0]),
                   cas ? Bytes() : Bytes(request.data),
                   cas ? request.unique : request.delta,
                   request.lifetime_s,
                   cas ? Change::Stage::kSwap : Change::Stage::kRead,
                   0,
                   {},
                   cas ? Bytes(request.data) : Bytes()};
  return go_on_changing();
}

Front::Status MemcachedFront::store() {
  const auto& request = parser_.request();
  ask({"SET", request.keys[0], request.data},
      {Owed::Kind::kStore, request.silent, false, false, {}});
  if (request.verb != Verb::kSet) {
    args_.push_back(request.verb == Verb::kAdd ? "NX" : "XX");
  }
  add_lifetime(request.lifetime_s, {});
  return Status::kRequest;
}

Front::Status MemcachedFront::flush_all() {
  const auto& request = parser_.request();
  if (request.lifetime_s != 0) {
    return answer("SERVER_ERROR flush_all with a delay is not served", request.silent);
  }
  return ask({"FLUSHDB"}, {Owed::Kind::kFlush, request.silent, false, false, {}});
}

// `for_ever` is the word for lifetime 0, if it takes one. Negative: gone at once, as what a moment
// long ago ended is.
void MemcachedFront::add_lifetime(std::int64_t seconds, ByteView for_ever) {
  if (seconds == 0) {
    if (!for_ever.empty()) {
      args_.push_back(for_ever);
    }
    return;
  }
  args_.push_back(seconds < 0 ? "PXAT" : seconds <= kLongestLifetime_s ? "EX" : "EXAT");
  lifetime_ = std::to_string(std::max<std::int64_t>(seconds, 1));
  args_.push_back(lifetime_);
}

Front::Status MemcachedFront::go_on_changing() {
  const Owed owed{Owed::Kind::kChange, false, false, false, {}};
  switch (change_->stage) {
    case Change::Stage::kRead:
      change_->stage = Change::Stage::kReading;
      return ask({"GET", change_->key}, owed);
    case Change::Stage::kLook:
      change_->stage = Change::Stage::kLooking;
      return ask({"EXISTS", change_->key}, owed);
    case Change::Stage::kSwap:
      break;
    default:
      return Status::kWaits;
  }
  change_->stage = Change::Stage::kSwapping;
  if (change_->verb != Verb::kCas) {
    return ask({"KV.CAS", change_->key, change_->old, change_->fresh, "KEEPTTL"}, owed);
  }
  version_ = std::to_string(change_->delta);
  ask({"KV.IF", version_, "SET", change_->key, change_->fresh}, owed);
  add_lifetime(change_->lifetime_s, {});
  return Status::kRequest;
}

void MemcachedFront::on_reply(const Reply& reply) {
  CHECK(!owed_.empty(), "a reply that nobody asked for");
  const auto owed = std::move(owed_.front());
  owed_.pop_front();
  if (owed.kind == Owed::Kind::kChange) {
    on_change(reply);
  } else if (owed.kind == Owed::Kind::kGet || owed.kind == Owed::Kind::kBeforeGet) {
    on_value(owed, reply);
  } else if (!owed.silent) {
    out_ += line_for(owed, reply);
    out_ += kEnd;
  }
  while (!owed_.empty() && owed_.front().kind == Owed::Kind::kText) {
    out_ += owed_.front().text;
    owed_.pop_front();
  }
}

// An error is the end of the whole answer: clients expect no END behind it.
void MemcachedFront::on_value(const Owed& owed, const Reply& reply) {
  const bool answers = owed.kind == Owed::Kind::kGet;
  if (!get_failed_ && reply.kind != Kind::kBulk && reply.kind != Kind::kNil) {
    get_failed_ = true;
    out_ += other_reply(reply);
    out_ += kEnd;
  } else if (!get_failed_ && answers && reply.kind == Kind::kBulk) {
    fmt::format_to(std::back_inserter(out_), "VALUE {} 0 {}", owed.text, reply.text.size());
    if (owed.unique) {
      fmt::format_to(std::back_inserter(out_), " {}", reply.version);
    }
    out_ += kEnd;
    out_ += reply.text;
    out_ += kEnd;
  }
  if (answers && owed.last && !std::exchange(get_failed_, false)) {
    out_ += "END\r\n";
  }
}

// Without the line's end.
Bytes MemcachedFront::line_for(const Owed& owed, const Reply& reply) const {
  const auto is = [&](Owed::Kind asked, Kind got) {
    return owed.kind == asked && reply.kind == got;
  };
  if (is(Owed::Kind::kStore, Kind::kStatus)) {
    return "STORED";
  }
  if (is(Owed::Kind::kStore, Kind::kNil)) {
    return "NOT_STORED";
  }
  if (is(Owed::Kind::kDelete, Kind::kInteger)) {
    return reply.number > 0 ? "DELETED" : "NOT_FOUND";
  }
  if (is(Owed::Kind::kTouch, Kind::kBulk)) {
    return "TOUCHED";
  }
  if (is(Owed::Kind::kTouch, Kind::kNil)) {
    return "NOT_FOUND";
  }
  if (is(Owed::Kind::kFlush, Kind::kStatus)) {
    return "OK";
  }
  if (is(Owed::Kind::kStats, Kind::kInteger)) {
    return fmt::format(
        "STAT version {}\r\nSTAT kvorum_version {}\r\nSTAT curr_items {}\r\nSTAT item_size_max "
        "{}\r\n"
        "END",
        kLikeVersion, options_.version, reply.number, options_.limits.value_bytes);
  }
  return other_reply(reply);
}

void MemcachedFront::on_change(const Reply& reply) {
  auto& change = *change_;
  if (change.stage == Change::Stage::kReading) {
    if (reply.kind == Kind::kNil) {
      return end_change(is_count(change.verb) ? "NOT_FOUND" : "NOT_STORED");
    }
    return reply.kind == Kind::kBulk ? change_value(reply.text) : end_change(other_reply(reply));
  }
  if (change.verb == Verb::kCas) {
    return on_cas(reply);
  }
  if (reply.kind != Kind::kInteger) {
    return end_change(other_reply(reply));
  }
  if (reply.number == 1) {
    return end_change(is_count(change.verb) ? ByteView(change.fresh) : "STORED");
  }
  if (++change.tries == kMaxTries) {
    return end_change("SERVER_ERROR BUSY others keep changing the value; nothing was done");
  }
  change.stage = Change::Stage::kRead;
}

// Where it fails, what is there a moment later decides the word: a version never comes again, so it
// would fail then, too.
void MemcachedFront::on_cas(const Reply& reply) {
  auto& change = *change_;
  if (change.stage == Change::Stage::kLooking && reply.kind == Kind::kInteger) {
    end_change(reply.number > 0 ? "EXISTS" : "NOT_FOUND");
  } else if (change.stage == Change::Stage::kSwapping && reply.kind == Kind::kNil) {
    change.stage = Change::Stage::kLook;
  } else if (change.stage == Change::Stage::kSwapping && reply.kind == Kind::kStatus) {
    end_change("STORED");
  } else {
    end_change(other_reply(reply));
  }
}

void MemcachedFront::change_value(ByteView value) {
  auto& change = *change_;
  change.old = value;
  switch (change.verb) {
    case Verb::kAppend:
      change.fresh = change.old + change.data;
      break;
    case Verb::kPrepend:
      change.fresh = change.data + change.old;
      break;
    default: {
      const auto number = parse_number<std::uint64_t>(value);
      if (!number) {
        return end_change("CLIENT_ERROR cannot increment or decrement non-numeric value");
      }
      // As memcached has it: up with wrap-around, down to no less than 0.
      change.fresh =
          std::to_string(change.verb == Verb::kIncr ? *number + change.delta
                                                    : *number - std::min(*number, change.delta));
    }
  }
  if (change.fresh.size() > options_.limits.value_bytes ||
      change.old.size() + change.fresh.size() > options_.request_bytes) {
    return end_change("SERVER_ERROR object too large for cache");
  }
  change.stage = Change::Stage::kSwap;
}

void MemcachedFront::end_change(ByteView line) {
  if (!change_->silent) {
    out_ += line;
    out_ += kEnd;
  }
  change_.reset();
}

}  // namespace kvorum::front
