#include "node/journal.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "base/prng.h"

namespace kvorum::node {
namespace {

constexpr PartitionId kPartition(7);

// A partition's table, and what the disk holds of it.
struct World {
  explicit World(std::size_t least_bytes) : least(least_bytes) { restart(); }

  void put(const std::string& key, const std::string& value) {
    dynamo::Row row;
    dynamo::Sibling fresh;
    fresh.dot = {{NodeId(1), Incarnation(1)}, ++counter};
    fresh.value = value;
    dynamo::put(row, fresh, {});
    table->replace(key, row);
    rows[key] = value;
  }
  void erase(const std::string& key) {
    table->replace(key, {});
    rows.erase(key);
  }
  void write() {
    dynamo::RowsWrite write{kPartition, generation, {}};
    table->take_changed([&](ByteView key, ByteView row) { write.rows.add(key, row); });
    if (!write.rows.empty()) {
      store::Batch batch;
      journal->write(std::move(write), &*table, batch);
      apply(batch);
    }
  }
  void flush() {  // FLUSHDB
    store::Batch batch;
    journal->drop_rows(kPartition, generation, batch);
    apply(batch);
    generation = generation.next();
    table.emplace();
    rows.clear();
  }
  void apply(const store::Batch& batch) {
    if (!batch.empty()) {
      ASSERT_TRUE(store->write({&batch}));
    }
  }
  void restart() {
    journal.emplace(least);
    table.emplace();
    ASSERT_TRUE(journal->open(
        *store, kPartition, generation, [&](ByteView key, ByteView bytes, bool on_disk) {
          Reader reader(bytes);
          dynamo::Row row;
          const bool whole = bytes.empty() || (decode(reader, row) && reader.done());
          table->load(key, row, on_disk, false);
          return whole;
        }));
  }
  std::map<std::string, std::string> held() const {
    std::map<std::string, std::string> all;
    table->each({}, [&](const std::string& key, const dynamo::Row& row) {
      all[key] = row.siblings.front().value;
      return true;
    });
    return all;
  }
  std::size_t in_log() const {
    const auto extent = *store->log(kPartition);
    return extent.last - extent.base;
  }
  std::size_t in_table() const {
    std::size_t count = 0;
    for (const auto at = store->rows(kPartition, generation); at->valid(); at->next()) {
      ++count;
    }
    return count;
  }

  std::size_t least;
  std::unique_ptr<store::Store> store = store::open_mem();
  std::optional<Journal> journal;
  std::optional<dynamo::Table> table;
  Generation generation{1};
  std::uint64_t counter = 0;
  std::map<std::string, std::string> rows;
};

TEST(Journal, RowsOfOneWriteAreOneEntry) {
  World world(1 << 20);
  for (int i = 0; i < 100; ++i) {
    world.put("key" + std::to_string(i), "value");
  }
  world.write();
  EXPECT_EQ(world.in_log(), 1u);
  EXPECT_EQ(world.in_table(), 0u);
  world.restart();
  EXPECT_EQ(world.held(), world.rows);
}

TEST(Journal, ALongLogIsCutAndItsRowsStay) {
  World world(10'000);
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 20; ++i) {
      world.put("key" + std::to_string(i), std::string(50, 'v') + std::to_string(round));
    }
    world.write();
    EXPECT_LE(world.in_log(), 20u) << "twice what is kept, of 1800 bytes each";
  }
  EXPECT_EQ(world.in_table(), 20u);
  world.restart();
  EXPECT_EQ(world.held(), world.rows);
}

TEST(Journal, AFlushLeavesNothing) {
  World world(1000);
  for (int i = 0; i < 100; ++i) {
    world.put("key" + std::to_string(i), "value");
    world.write();
  }
  const auto old = world.generation;
  world.flush();
  EXPECT_EQ(world.in_log(), 0u);
  EXPECT_FALSE(world.store->rows(kPartition, old)->valid());
  world.put("key", "new");
  world.write();
  world.restart();
  EXPECT_EQ(world.held(), world.rows);
}

TEST(Journal, WhatWasWrittenIsReadBackWheneverTheProcessEnds) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Prng prng(seed);
    World world(prng.below(3000));
    for (int step = 0; step < 400; ++step) {
      for (auto changes = prng.below(30); changes > 0; --changes) {
        const auto key = "key" + std::to_string(prng.below(40));
        if (prng.below(4) == 0) {
          world.erase(key);
        } else {
          world.put(key, std::string(prng.below(60), 'v') + std::to_string(step));
        }
      }
      world.write();
      if (prng.below(100) == 0) {
        world.flush();
      }
      if (prng.below(10) == 0) {
        world.restart();
        ASSERT_EQ(world.held(), world.rows) << "seed " << seed << ", step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace kvorum::node
