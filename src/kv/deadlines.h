// The rows that have a deadline, the one that is due first on top: a heap of four children a node.
// Each row knows its place in it, so that a deadline can be changed or dropped without a search.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "kv/rows.h"

namespace kvorum::kv {

class Deadlines {
 public:
  // Gives a row (with room for a timer) its deadline, or another one.
  void set(Row* row, WallMs deadline);
  void remove(Row* row);  // nothing happens if it has none
  void moved(Row* row);   // the row lies elsewhere now
  void clear();

  std::optional<WallMs> of(const Row& row) const;
  std::optional<WallMs> first() const;
  Row* first_row() const { return heap_.front().row; }
  std::size_t memory_bytes() const { return heap_.capacity() * sizeof(Item); }

 private:
  struct Item {
    WallMs deadline;
    Row* row = nullptr;
  };
  static constexpr std::size_t kChildren = 4;

  void place(std::size_t at, Item item);
  void up(std::size_t at, Item item);
  void down(std::size_t at, Item item);

  std::vector<Item> heap_;
};

}  // namespace kvorum::kv
