#include "load/tally.h"

#include <algorithm>

#include "base/error.h"

namespace kvorum::load {

std::uint64_t Tally::ended() const {
  std::uint64_t sum = 0;
  for (const auto& kind : kinds) {
    sum += kind.latency.count() + kind.failed;
  }
  return sum;
}

void Tally::add(Kind kind, std::string code, bool unknown, ByteView example) {
  ++of(kind).failed;
  auto& failures_of_code = failures[{kind, std::move(code)}];
  failures_of_code.unknown = unknown;
  if (++failures_of_code.count == 1) {
    failures_of_code.example = std::string(example);
  }
}

void Tally::failed(Kind kind, ByteView text) {
  const auto code = text.substr(0, text.find(' '));
  // Reads change nothing, so there is nothing to be unsure of.
  const bool unknown = kind == Kind::kWrite && code == resp_code(ErrorCode::kUnknown);
  add(kind, std::string(code), unknown, text);
}

void Tally::lost(Kind kind, const std::string& why) { add(kind, kLost, kind == Kind::kWrite, why); }

void Tally::merge(const Tally& other) {
  for (std::size_t i = 0; i < kKinds; ++i) {
    kinds[i].latency.merge(other.kinds[i].latency);
    kinds[i].absent += other.kinds[i].absent;
    kinds[i].failed += other.kinds[i].failed;
  }
  for (const auto& [key, theirs] : other.failures) {
    auto& ours = failures[key];
    ours.example = ours.count == 0 ? theirs.example : ours.example;
    ours.unknown = theirs.unknown;
    ours.count += theirs.count;
  }
  for (const auto& [address, theirs] : other.losses) {
    auto& ours = losses[address];
    ours.count += theirs.count;
    ours.why = theirs.why;
  }
  bytes_sent += other.bytes_sent;
  bytes_received += other.bytes_received;
  left_over += other.left_over;
  begin = std::min(begin, other.begin);
  last = std::max(last, other.last);
}

}  // namespace kvorum::load
