#include "dynamo/version.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <set>
#include <vector>

namespace kvorum::dynamo {
namespace {

ReplicaId replica(unsigned node) { return {NodeId(node), Incarnation(1000 + node)}; }

Sibling sibling(unsigned node, std::uint64_t counter, Bytes value, std::uint64_t stamp = 1) {
  return {{replica(node), counter}, {stamp}, false, std::nullopt, std::move(value)};
}

Sibling tombstone(unsigned node, std::uint64_t counter, std::uint64_t stamp = 1) {
  return {{replica(node), counter}, {stamp}, true, std::nullopt, {}};
}

Row row_of(const std::vector<Sibling>& siblings) {
  Row row;
  for (const auto& one : siblings) {
    put(row, one, {});
  }
  return row;
}

std::vector<Bytes> values(const Row& row) {
  std::vector<Bytes> out;
  for (const auto& one : row.siblings) {
    out.push_back(one.value);
  }
  return out;
}

using Values = std::vector<Bytes>;

Context context_of(const std::vector<Dot>& dots) {
  Context context;
  for (const auto& dot : dots) {
    context.add(dot);
  }
  return context;
}

TEST(Context, CoversUpToTheCounterOfEachReplica) {
  const auto context = context_of({{replica(2), 5}, {replica(1), 3}, {replica(2), 4}});
  EXPECT_TRUE(context.covers(Dot{replica(2), 5}));
  EXPECT_TRUE(context.covers(Dot{replica(2), 1}));
  EXPECT_FALSE(context.covers(Dot{replica(2), 6}));
  EXPECT_FALSE(context.covers(Dot{replica(3), 1}));
  // Another data directory of the same node is another replica.
  EXPECT_FALSE(context.covers(Dot{{NodeId(2), Incarnation(1)}, 1}));
  ASSERT_EQ(context.seen().size(), 2u);
  EXPECT_EQ(context.seen()[0].replica, replica(1));
  EXPECT_EQ(context.of(replica(2)), 5u);
  EXPECT_EQ(context.of(replica(9)), 0u);
}

TEST(Context, MergeTakesTheGreaterMeetTheLesser) {
  const auto a = context_of({{replica(1), 3}, {replica(2), 5}});
  const auto b = context_of({{replica(2), 4}, {replica(3), 7}});
  auto both = a;
  both.merge(b);
  EXPECT_EQ(both, context_of({{replica(1), 3}, {replica(2), 5}, {replica(3), 7}}));
  EXPECT_TRUE(both.covers(a) && both.covers(b) && !a.covers(b) && !b.covers(a));
  auto least = a;
  least.meet(b);
  EXPECT_EQ(least, context_of({{replica(2), 4}}));
  least.meet({});
  EXPECT_TRUE(least.empty());
  EXPECT_TRUE(least.covers(Context()));
}

TEST(Version, TwoPutsAtOneReplicaNeverConflict) {
  Row row;
  put(row, sibling(1, 1, "put"), Context(row.context));
  put(row, sibling(1, 2, "banana"), Context(row.context));
  EXPECT_EQ(values(row), Values{"banana"});
}

TEST(Version, ConcurrentPutsConflictAndAllReplicasSettleAlike) {
  for (const auto& [conflict, expected] :
       std::vector<std::pair<Conflict, Values>>{{Conflict::kLww, {"a"}},
                                                {Conflict::kSiblings, {"b", "a"}},
                                                {Conflict::kLexical, {"a"}}}) {
    Row one = row_of({sibling(1, 1, "b", 7)});
    Row two = row_of({sibling(2, 1, "a", 8)});
    const Row sent = one;
    EXPECT_TRUE(merge(one, two));
    EXPECT_TRUE(merge(two, sent));
    EXPECT_FALSE(merge(two, sent));
    std::vector<Sibling> losers;
    settle(one, conflict, losers);
    settle(two, conflict, losers);
    EXPECT_EQ(one, two) << to_string(conflict);
    EXPECT_EQ(values(one), expected) << to_string(conflict);
    EXPECT_EQ(losers.size(), 2 * (2 - expected.size()));
    EXPECT_TRUE(one.context.covers(Dot{replica(1), 1}));  // a loser does not come back
    EXPECT_TRUE(one.context.covers(Dot{replica(2), 1}));
    EXPECT_FALSE(merge(one, row_of({sibling(1, 1, "b", 7)})));
  }
}

TEST(Version, BlindPutsStandSideBySideUntilAPutHasSeenThem) {
  Row row;
  put(row, sibling(1, 1, "a"), {});
  put(row, sibling(1, 2, "b"), {});
  put(row, sibling(1, 3, "c"), {});
  EXPECT_EQ(values(row), (Values{"a", "b", "c"}));
  const auto got = row.context;
  put(row, sibling(1, 4, "late"), {});
  put(row, sibling(1, 5, "all"), got);
  EXPECT_EQ(values(row), (Values{"late", "all"}));
}

// riak_kv#746: two clients that take turns, each with the context of its own last get. With a plain
// version vector every put would leave the other's old values behind.
TEST(Version, ClientsThatTakeTurnsNeverMakeMoreSiblingsThanClients) {
  Row row;
  Context seen[2];
  for (std::uint64_t counter = 1; counter < 100; ++counter) {
    auto& mine = seen[counter % 2];
    put(row, sibling(1, counter, "v"), mine);
    EXPECT_LE(row.siblings.size(), 2u);
    mine = row.context;
  }
}

TEST(Version, APutMayHaveSeenMoreThanItsCoordinator) {
  const Row elsewhere = row_of({sibling(2, 9, "old")});
  Row row;
  put(row, sibling(1, 1, "new"), elsewhere.context);
  EXPECT_FALSE(merge(row, elsewhere));
  EXPECT_EQ(values(row), Values{"new"});
}

TEST(Version, ATombstoneSupersedesAndIsSuperseded) {
  Row row = row_of({sibling(1, 1, "v")});
  const Row old = row;
  put(row, tombstone(2, 1), Context(row.context));
  ASSERT_EQ(row.siblings.size(), 1u);
  EXPECT_TRUE(row.siblings[0].gone(WallMs(0)));
  EXPECT_FALSE(merge(row, old));  // the value does not come back
  put(row, sibling(1, 2, "again"), Context(row.context));
  EXPECT_EQ(values(row), Values{"again"});
}

TEST(Version, ATombstoneBesideAValueStaysOnlyAmongSiblings) {
  const auto settled = [](Conflict conflict, const Row& row) {
    Row out = row;
    std::vector<Sibling> losers;
    settle(out, conflict, losers);
    return out;
  };
  const auto row = row_of({sibling(1, 1, "v", 5), tombstone(2, 1, 6)});
  EXPECT_EQ(settled(Conflict::kSiblings, row), row);
  EXPECT_TRUE(settled(Conflict::kLww, row).siblings[0].deleted);
  EXPECT_FALSE(settled(Conflict::kLexical, row).siblings[0].deleted);
}

TEST(Version, LastWriterWinsByStampThenReplicaThenCounter) {
  std::vector<Sibling> losers;
  auto row = row_of({sibling(1, 9, "a", 5), sibling(2, 1, "b", 6), sibling(3, 2, "c", 4)});
  settle(row, Conflict::kLww, losers);
  EXPECT_EQ(values(row), Values{"b"});
  ASSERT_EQ(losers.size(), 2u);
  EXPECT_EQ(losers[0].value, "a");
  EXPECT_EQ(losers[1].value, "c");
  row = row_of({sibling(1, 9, "a", 5), sibling(2, 1, "b", 5)});
  settle(row, Conflict::kLww, losers);
  EXPECT_EQ(values(row), Values{"b"});
  row = row_of({sibling(2, 8, "a", 5), sibling(2, 9, "b", 5)});
  settle(row, Conflict::kLww, losers);
  EXPECT_EQ(values(row), Values{"b"});
}

TEST(Version, TheSmallestValueStaysAndOfEqualOnesTheLast) {
  std::vector<Sibling> losers;
  auto row = row_of({sibling(1, 1, "b", 9), sibling(2, 1, "a", 1), sibling(3, 1, "ab", 8)});
  settle(row, Conflict::kLexical, losers);
  EXPECT_EQ(values(row), Values{"a"});
  row = row_of({sibling(1, 1, "a", 9), sibling(2, 1, "a", 1)});
  settle(row, Conflict::kLexical, losers);
  EXPECT_EQ(row.siblings[0].dot, (Dot{replica(1), 1}));
  EXPECT_EQ(row.context.of(replica(2)), 1u);
}

// `p` stands at one replica because it beat `w`, which had seen `q`; `q` stands at another because
// it beat `p`. Merged, both are old news to the other side.
TEST(Version, RowsThatSettledAgainstEachOtherKeepWhatTheOneThatSawMoreKept) {
  const Dot q{replica(1), 1};
  const Dot p{replica(2), 1};
  const Dot w{replica(3), 1};
  Row saw_all = row_of({sibling(2, 1, "p")});
  saw_all.context = context_of({q, p, w});
  Row saw_less = row_of({sibling(1, 1, "a")});
  saw_less.context = context_of({q, p});
  Row merged = saw_less;
  EXPECT_TRUE(merge(merged, saw_all));
  EXPECT_EQ(merged, saw_all);
  EXPECT_FALSE(merge(merged, saw_less));
  EXPECT_EQ(merged, saw_all);

  saw_less.context = saw_all.context;
  EXPECT_TRUE(merge(merged, saw_less));
  EXPECT_EQ(values(merged), (Values{"a", "p"}));
}

TEST(Version, OfTwoValuesOfOneDotAllReplicasKeepTheSame) {
  const Row one = row_of({sibling(1, 1, "a", 5)});
  for (const auto& other : {row_of({sibling(1, 1, "b", 5)}), row_of({sibling(1, 1, "a", 6)}),
                            row_of({tombstone(1, 1, 5)})}) {
    Row here = one;
    Row there = other;
    EXPECT_TRUE(merge(here, other));
    EXPECT_FALSE(merge(there, one));
    EXPECT_EQ(here, other);
    EXPECT_EQ(there, other);
  }
}

TEST(Version, ConflictWordsRoundTrip) {
  for (const auto conflict : {Conflict::kLww, Conflict::kSiblings, Conflict::kLexical}) {
    EXPECT_EQ(parse_conflict(to_string(conflict)), conflict);
  }
  EXPECT_EQ(parse_conflict("LWW"), std::nullopt);
  EXPECT_EQ(parse_conflict(""), std::nullopt);
}

Row rich_row() {
  Row row = row_of({sibling(1, 300, "value", 70), tombstone(2, 4, 80)});
  auto timed = sibling(3, UINT64_MAX, Bytes(300, 'x'), UINT64_MAX);
  timed.deadline = WallMs(-5);
  put(row, timed, context_of({{replica(4), 1}}));
  return row;
}

Bytes encoded(const Row& row) {
  Bytes bytes;
  encode(row, bytes);
  return bytes;
}

bool decodes(ByteView bytes) {
  Row row;
  Reader reader(bytes);
  return decode(reader, row) && reader.done();
}

TEST(Version, ARowSurvivesItsBytes) {
  for (const auto& row : {Row(), row_of({sibling(1, 1, "")}), rich_row()}) {
    const auto bytes = encoded(row);
    Row back = rich_row();  // what was there before does not matter
    Reader reader(bytes);
    ASSERT_TRUE(decode(reader, back));
    EXPECT_TRUE(reader.done());
    EXPECT_EQ(back, row);
  }
}

TEST(Version, EveryTruncatedRowIsRefused) {
  const auto bytes = encoded(rich_row());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decodes(ByteView(bytes).substr(0, size))) << size;
  }
}

TEST(Version, ACountThatCannotFitIsRefusedBeforeAnythingIsAllocated) {
  Bytes contexts;
  put_varint(contexts, UINT64_MAX);
  EXPECT_FALSE(decodes(contexts + Bytes(100, '\1')));
  Bytes siblings(1, '\0');
  put_varint(siblings, UINT64_MAX);
  EXPECT_FALSE(decodes(siblings + Bytes(100, '\1')));
}

// A context of one or two entries as encode() would write it, were it allowed to.
Bytes raw_context(const std::vector<Context::Seen>& entries) {
  Bytes bytes;
  put_varint(bytes, entries.size());
  for (const auto& seen : entries) {
    put_varint(bytes, seen.replica.node.value());
    put_fixed(bytes, seen.replica.incarnation.value());
    put_varint(bytes, seen.counter);
  }
  return bytes;
}

Bytes raw_sibling(unsigned at, std::uint64_t counter, std::uint8_t flags) {
  Bytes bytes;
  put_varint(bytes, at);
  put_varint(bytes, counter);
  put_fixed(bytes, std::uint64_t{1});
  put_fixed(bytes, flags);
  put_bytes(bytes, "v");
  return bytes;
}

TEST(Version, RowsThatNoReplicaMakesAreRefused) {
  const auto context = raw_context({{replica(1), 5}, {replica(2), 5}});
  EXPECT_TRUE(decodes(context + "\1" + raw_sibling(0, 5, 0)));
  EXPECT_TRUE(decodes(context + "\2" + raw_sibling(0, 5, 1) + raw_sibling(1, 1, 0)));
  EXPECT_FALSE(decodes(context + "\1" + raw_sibling(0, 6, 0))) << "not covered";
  EXPECT_FALSE(decodes(context + "\1" + raw_sibling(2, 1, 0))) << "of no replica";
  EXPECT_FALSE(decodes(context + "\1" + raw_sibling(0, 0, 0))) << "no counter";
  EXPECT_FALSE(decodes(context + "\1" + raw_sibling(0, 1, 4))) << "unknown flag";
  EXPECT_FALSE(decodes(context + "\2" + raw_sibling(1, 1, 0) + raw_sibling(0, 5, 0)));
  EXPECT_FALSE(decodes(context + "\2" + raw_sibling(0, 5, 0) + raw_sibling(0, 5, 0)));
  const auto nothing = Bytes(1, '\0');
  EXPECT_FALSE(decodes(raw_context({{replica(2), 5}, {replica(1), 5}}) + nothing));
  EXPECT_FALSE(decodes(raw_context({{replica(1), 5}, {replica(1), 6}}) + nothing));
  EXPECT_FALSE(decodes(raw_context({{replica(1), 0}}) + nothing));
}

TEST(Version, AContextSurvivesItsText) {
  EXPECT_EQ(to_text({}), "");
  for (const auto& context : {Context(), context_of({{replica(1), 1}}), rich_row().context}) {
    const auto text = to_text(context);
    EXPECT_EQ(text.find_first_not_of("0123456789abcdef"), std::string::npos);
    const auto back = parse_context(text);
    ASSERT_TRUE(back) << text;
    EXPECT_EQ(*back, context);
  }
}

TEST(Version, AMalformedContextTextIsRefused) {
  const auto good = to_text(rich_row().context);
  for (std::size_t size = 1; size < good.size(); ++size) {
    EXPECT_FALSE(parse_context(ByteView(good).substr(0, size))) << size;
  }
  auto upper = good;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  for (const auto& text : {good + "0", good + "00", " " + good, upper, Bytes("00"), Bytes("zz"),
                           Bytes("banana"), Bytes(20, 'f'), Bytes(2, '\0')}) {
    const auto context = parse_context(text);
    ASSERT_FALSE(context) << text;
    EXPECT_EQ(to_string(context.error()), "ERR malformed context");
  }
}

TEST(Version, AContextOfTooManyReplicasIsRefused) {
  Context context;
  for (unsigned node = 1; node <= kMaxReplicasInText; ++node) {
    context.add({replica(node), node});
  }
  EXPECT_TRUE(parse_context(to_text(context)));
  context.add({replica(kMaxReplicasInText + 1), 1});
  EXPECT_FALSE(parse_context(to_text(context)));
}

TEST(Version, AnyChangeButOfAValueChangesTheFingerprint) {
  const auto row = rich_row();
  const std::vector<std::function<void(Row&)>> changes = {
      [](Row& r) {
        r.context.add({replica(5), 1});
      },
      [](Row& r) {
        r.context.add({replica(4), 2});
      },
      [](Row& r) {
        r.context.meet(context_of({{replica(1), 300}}));
      },
      [](Row& r) { r.siblings[0].dot.counter = 299; },
      [](Row& r) { r.siblings[0].dot.replica.node = NodeId(7); },
      [](Row& r) { r.siblings[0].dot.replica.incarnation = Incarnation(7); },
      [](Row& r) { r.siblings[0].stamp.packed ^= 1; },
      [](Row& r) { r.siblings[0].deleted = true; },
      [](Row& r) { r.siblings[0].deadline = WallMs(0); },
      [](Row& r) { r.siblings[2].deadline = WallMs(-4); },
      [](Row& r) { r.siblings[2].deadline.reset(); },
      [](Row& r) { r.siblings.pop_back(); },
      [](Row& r) { r.siblings.clear(); },
      [](Row& r) { std::swap(r.siblings[0].stamp, r.siblings[1].stamp); },
  };
  std::set<std::uint64_t> prints = {fingerprint("key", row), fingerprint("kez", row),
                                    fingerprint("", row), fingerprint("key", {})};
  for (const auto& change : changes) {
    auto other = row;
    change(other);
    prints.insert(fingerprint("key", other));
  }
  EXPECT_EQ(prints.size(), 4 + changes.size());
  auto other = row;
  other.siblings[0].value = "another";  // its dot would be another, too
  EXPECT_EQ(fingerprint("key", other), fingerprint("key", row));
  EXPECT_EQ(fingerprint("key", row), fingerprint("key", rich_row()));
}

}  // namespace
}  // namespace kvorum::dynamo
