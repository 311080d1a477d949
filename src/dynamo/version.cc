#include "dynamo/version.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/checksum.h"
#include "base/mutant.h"

namespace kvorum::dynamo {
namespace {

constexpr std::size_t kSeenBytes = 10;     // the shortest encoding of a context's entry
constexpr std::size_t kSiblingBytes = 12;  // ... of a sibling
constexpr ByteView kHex = "0123456789abcdef";

// Of an encoded sibling. Other bits are malformed.
constexpr std::uint8_t kDeleted = 1;
constexpr std::uint8_t kDeadline = 2;

auto lww_order(const Sibling& sibling) { return std::tie(sibling.stamp, sibling.dot); }

// A tombstone has no value, so any value stays before it. Equal values: as last writer wins.
bool lexically_before(const Sibling& a, const Sibling& b) {
  if (const auto order = std::tie(a.deleted, a.value) <=> std::tie(b.deleted, b.value);
      order != 0) {
    return order < 0;
  }
  return lww_order(a) > lww_order(b);
}

// Two siblings of one dot differ only if a replica used a counter twice, which it never does; with
// a total order over all that they hold every replica would still keep the same one.
bool outweighs(const Sibling& a, const Sibling& b) {
  const auto all = [](const Sibling& sibling) {
    return std::tie(sibling.stamp, sibling.deleted, sibling.deadline, sibling.value);
  };
  return all(a) > all(b);
}

using Siblings = decltype(Row::siblings);

bool before(const Sibling& a, const Sibling& b) { return a.dot < b.dot; }

// What stays of both, ascending by dot. True: it is not `mine`. Moves from `mine` what stays.
bool keep(Siblings& mine, const Context& seen_here, const Row& from, Siblings& kept) {
  bool changed = false;
  auto here = mine.begin();
  auto there = from.siblings.begin();
  while (here != mine.end() || there != from.siblings.end()) {
    const bool only_here =
        there == from.siblings.end() || (here != mine.end() && here->dot < there->dot);
    if (only_here) {
      if (from.context.covers(here->dot)) {
        changed = true;
      } else {
        kept.push_back(std::move(*here));
      }
      ++here;
    } else if (here == mine.end() || there->dot < here->dot) {
      if (!seen_here.covers(there->dot)) {
        kept.push_back(*there);
        changed = true;
      }
      ++there;
    } else {
      const bool theirs = !here->cold && outweighs(*there, *here);
      kept.push_back(here->cold || theirs ? *there : std::move(*here));
      changed = changed || theirs;
      ++here;
      ++there;
    }
  }
  return changed;
}

// Of two rows each of which has dropped what the other settled for.
Siblings unsettled(const Row& a, const Row& b) {
  const bool a_has_all = a.context.covers(b.context);
  if (a_has_all != b.context.covers(a.context)) {
    return a_has_all ? a.siblings : b.siblings;
  }
  Siblings both;
  std::merge(a.siblings.begin(), a.siblings.end(), b.siblings.begin(), b.siblings.end(),
             std::back_inserter(both), before);
  return both;
}

}  // namespace

std::uint64_t Context::of(ReplicaId replica) const {
  for (const auto& seen : seen_) {
    if (seen.replica == replica) {
      return seen.counter;
    }
  }
  return 0;
}

bool Context::covers(const Dot& dot) const { return dot.counter <= of(dot.replica); }

bool Context::covers(const Context& other) const {
  return std::all_of(other.seen_.begin(), other.seen_.end(),
                     [&](const Seen& seen) { return seen.counter <= of(seen.replica); });
}

void Context::add(const Dot& dot) {
  if (dot.counter == 0) {
    return;
  }
  const auto at =
      std::lower_bound(seen_.begin(), seen_.end(), dot.replica,
                       [](const Seen& seen, ReplicaId replica) { return seen.replica < replica; });
  if (at != seen_.end() && at->replica == dot.replica) {
    at->counter = std::max(at->counter, dot.counter);
  } else {
    seen_.insert(at, {dot.replica, dot.counter});
  }
}

void Context::merge(const Context& other) {
  for (const auto& seen : other.seen_) {
    add({seen.replica, seen.counter});
  }
}

void Context::meet(const Context& other) {
  for (auto& seen : seen_) {
    seen.counter = std::min(seen.counter, other.of(seen.replica));
  }
  seen_.erase(std::remove_if(seen_.begin(), seen_.end(),
                             [](const Seen& seen) { return seen.counter == 0; }),
              seen_.end());
}

bool supersedes(const Row& from, const Row& row) {
  return !KVORUM_MUTANT(kContextFirst) && from.siblings.size() == 1 &&
         !row.context.covers(from.siblings.front().dot) && from.context.covers(row.context);
}

bool Row::cold() const {
  return std::any_of(siblings.begin(), siblings.end(),
                     [](const Sibling& sibling) { return sibling.cold; });
}

bool merge(Row& into, const Row& from) {
  Siblings kept;
  if (KVORUM_MUTANT(kContextFirst)) {
    into.context.merge(from.context);
  }
  if (supersedes(from, into)) {
    into = from;
    return true;
  }
  bool changed = keep(into.siblings, into.context, from, kept);
  if (kept.empty() && !into.siblings.empty() && !from.siblings.empty()) {
    kept = unsettled(into, from);
    changed = kept != into.siblings;
  }
  into.siblings = std::move(kept);
  if (!into.context.covers(from.context)) {
    into.context.merge(from.context);
    changed = true;
  }
  return changed;
}

void put(Row& row, Sibling fresh, const Context& seen) {
  auto& siblings = row.siblings;
  siblings.erase(std::remove_if(siblings.begin(), siblings.end(),
                                [&](const Sibling& sibling) {
                                  return !KVORUM_MUTANT(kKeepSeen) && seen.covers(sibling.dot);
                                }),
                 siblings.end());
  row.context.merge(seen);
  row.context.add(fresh.dot);
  siblings.insert(std::lower_bound(siblings.begin(), siblings.end(), fresh, before),
                  std::move(fresh));
}

void settle(Row& row, Conflict conflict, std::vector<Sibling>& losers) {
  auto& siblings = row.siblings;
  if (conflict == Conflict::kSiblings || siblings.size() < 2) {
    return;
  }
  const auto winner =
      conflict == Conflict::kLexical
          ? std::min_element(siblings.begin(), siblings.end(), lexically_before)
          : std::max_element(siblings.begin(), siblings.end(), [](const auto& a, const auto& b) {
              return lww_order(a) < lww_order(b);
            });
  std::rotate(siblings.begin(), winner, winner + 1);  // the losers stay ascending
  std::move(siblings.begin() + 1, siblings.end(), std::back_inserter(losers));
  siblings.erase(siblings.begin() + 1, siblings.end());
}

void encode(const Context& context, Bytes& out) {
  put_varint(out, context.seen().size());
  for (const auto& seen : context.seen()) {
    put_varint(out, seen.replica.node.value());
    put_fixed(out, seen.replica.incarnation.value());
    put_varint(out, seen.counter);
  }
}

bool decode(Reader& reader, Context& context) {
  context.clear();
  const auto count = reader.varint();
  if (count > reader.rest().size() / kSeenBytes) {
    return false;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto node = reader.varint();
    const auto incarnation = reader.fixed<std::uint64_t>();
    const auto counter = reader.varint();
    if (!reader.ok() || node > std::numeric_limits<NodeId::rep>::max() || counter == 0) {
      return false;
    }
    const ReplicaId replica{NodeId(static_cast<NodeId::rep>(node)), Incarnation(incarnation)};
    if (i > 0 && replica <= context.seen().back().replica) {
      return false;
    }
    context.append({replica, counter});
  }
  return reader.ok();
}

void encode(const Row& row, Bytes& out) {
  encode(row.context, out);
  put_varint(out, row.siblings.size());
  const auto& seen = row.context.seen();
  for (const auto& sibling : row.siblings) {
    CHECK(row.context.covers(sibling.dot), "a row has not seen its own sibling");
    const auto replica = std::find_if(seen.begin(), seen.end(), [&](const auto& entry) {
      return entry.replica == sibling.dot.replica;
    });
    put_varint(out, static_cast<std::uint64_t>(replica - seen.begin()));
    put_varint(out, sibling.dot.counter);
    put_fixed(out, sibling.stamp.packed);
    put_fixed(out, static_cast<std::uint8_t>((sibling.deleted ? kDeleted : 0) |
                                             (sibling.deadline ? kDeadline : 0)));
    if (sibling.deadline) {
      put_fixed(out, sibling.deadline->value());
    }
    CHECK(!sibling.cold, "a row goes somewhere without its value");
    put_bytes(out, sibling.value);
  }
}

bool decode(Reader& reader, Row& row) {
  if (!decode(reader, row.context)) {
    return false;
  }
  const auto count = reader.varint();
  if (count > reader.rest().size() / kSiblingBytes) {
    return false;
  }
  row.siblings.resize(count);  // what stays keeps its memory: a row is often decoded into again
  const auto& seen = row.context.seen();
  for (std::uint64_t i = 0; i < count; ++i) {
    auto& sibling = row.siblings[i];
    const auto replica = reader.varint();
    const auto counter = reader.varint();
    if (replica >= seen.size() || counter == 0 || counter > seen[replica].counter) {
      return false;
    }
    sibling.dot = {seen[replica].replica, counter};
    sibling.stamp.packed = reader.fixed<std::uint64_t>();
    const auto flags = reader.fixed<std::uint8_t>();
    if (flags > (kDeleted | kDeadline) || (i > 0 && sibling.dot <= row.siblings[i - 1].dot)) {
      return false;
    }
    sibling.deleted = (flags & kDeleted) != 0;
    sibling.cold = false;
    sibling.deadline.reset();
    if ((flags & kDeadline) != 0) {
      sibling.deadline = WallMs(reader.fixed<std::int64_t>());
    }
    sibling.value.assign(reader.bytes());
  }
  return reader.ok();
}

std::string to_text(const Context& context) {
  if (context.empty()) {
    return {};
  }
  Bytes raw;
  encode(context, raw);
  std::string text;
  text.reserve(2 * raw.size());
  for (const char byte : raw) {
    text.push_back(kHex[static_cast<unsigned char>(byte) >> 4]);
    text.push_back(kHex[static_cast<unsigned char>(byte) & 15]);
  }
  return text;
}

Result<Context> parse_context(ByteView text) {
  Context context;
  if (text.empty()) {
    return context;
  }
  Bytes raw;
  raw.reserve(text.size() / 2);
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    const auto high = kHex.find(text[i]);
    const auto low = kHex.find(text[i + 1]);
    if (high == ByteView::npos || low == ByteView::npos) {
      return fail(ErrorCode::kSyntax, "malformed context");
    }
    raw.push_back(static_cast<char>(high << 4 | low));
  }
  Reader reader(raw);
  // Only what to_text() writes, so that a context has one text.
  if (!decode(reader, context) || !reader.done() || to_text(context) != text ||
      context.seen().size() > kMaxReplicasInText) {
    return fail(ErrorCode::kSyntax, "malformed context");
  }
  return context;
}

std::uint64_t fingerprint(ByteView key, const Row& row) { return fingerprint(checksum(key), row); }

std::uint64_t fingerprint(std::uint64_t key_sum, const Row& row) {
  boost::container::small_vector<std::uint64_t, 32> words;
  const auto add_dot = [&](ReplicaId replica, std::uint64_t counter) {
    words.push_back(replica.node.value());
    words.push_back(replica.incarnation.value());
    words.push_back(counter);
  };
  words.push_back(key_sum);
  if (KVORUM_MUTANT(kPrintKey)) {
    return words.front();
  }
  words.push_back(row.context.seen().size());  // tells where the siblings begin
  for (const auto& seen : row.context.seen()) {
    add_dot(seen.replica, seen.counter);
  }
  for (const auto& sibling : row.siblings) {
    add_dot(sibling.dot.replica, sibling.dot.counter);
    words.push_back(sibling.stamp.packed);
    words.push_back((sibling.deleted ? kDeleted : 0u) | (sibling.deadline ? kDeadline : 0u));
    words.push_back(static_cast<std::uint64_t>(sibling.deadline.value_or(WallMs()).value()));
  }
  return checksum({reinterpret_cast<const char*>(words.data()), words.size() * sizeof words[0]});
}

}  // namespace kvorum::dynamo
