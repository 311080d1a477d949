#include "dynamo/version.h"

#include <gtest/gtest.h>

namespace kvorum::dynamo {
namespace {

ReplicaId replica(unsigned node) { return {NodeId(node), Incarnation(1000 + node)}; }

Sibling sibling(unsigned node, std::uint64_t counter, Bytes value) {
  return {{replica(node), counter}, {100 * counter + node}, false, std::nullopt, std::move(value)};
}

TEST(Version, TwoPutsAtOneReplicaNeverConflict) {
  Row row;
  put(row, sibling(1, 1, "put"), row.context);
  put(row, sibling(1, 2, "banana"), row.context);
  ASSERT_EQ(row.siblings.size(), 1u);
  EXPECT_EQ(row.siblings[0].value, "banana");
}

TEST(Version, ConcurrentPutsConflictAndMergeAlike) {
  Row a;
  Row b;
  put(a, sibling(1, 1, "a"), a.context);
  put(b, sibling(2, 1, "b"), b.context);
  Row both = a;
  EXPECT_TRUE(merge(both, b));
  EXPECT_TRUE(merge(b, a));
  EXPECT_EQ(both, b);
  EXPECT_EQ(both.siblings.size(), 2u);
  EXPECT_FALSE(merge(both, a));
  Bytes bytes;
  encode(both, bytes);
  Row back;
  Reader reader(bytes);
  ASSERT_TRUE(decode(reader, back) && reader.done());
  EXPECT_EQ(back, both);
  EXPECT_EQ(*parse_context(to_text(both.context)), both.context);
}

}  // namespace
}  // namespace kvorum::dynamo
