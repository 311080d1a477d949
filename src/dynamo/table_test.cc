#include "dynamo/table.h"

#include <gtest/gtest.h>

namespace kvorum::dynamo {
namespace {

TEST(Table, FindsWhatWasReplaced) {
  Table table;
  Row row;
  put(row, {{{NodeId(1), Incarnation(2)}, 3}, {4}, false, std::nullopt, "value"}, {});
  table.replace("key", row);
  ASSERT_NE(table.find("key"), nullptr);
  EXPECT_EQ(*table.find("key"), row);
  EXPECT_EQ(table.rows(), 1u);
  EXPECT_EQ(table.digest(), fingerprint("key", row));
  table.replace("key", {});
  EXPECT_EQ(table.find("key"), nullptr);
  EXPECT_EQ(table.digest(), 0u);
  EXPECT_EQ(table.rows(), 0u);
}

}  // namespace
}  // namespace kvorum::dynamo
