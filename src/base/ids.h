// Strong types for every number that names something: no two of them convert into one another.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace kvorum {

// A number of type Rep that only compares with its own kind. Zero means "none" but for
// partitions and keyspaces, where it names the metadata group and `main`.
template <class Tag, class Rep>
class StrongId {
 public:
  using rep = Rep;

  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }
  constexpr explicit operator bool() const { return value_ != 0; }
  constexpr StrongId next() const { return StrongId(value_ + 1); }
  constexpr StrongId prev() const { return StrongId(value_ - 1); }

  friend constexpr auto operator<=>(StrongId, StrongId) = default;
  friend std::size_t hash_value(StrongId id) { return std::hash<Rep>{}(id.value_); }

 private:
  Rep value_{};
};

using NodeId = StrongId<struct NodeIdTag, std::uint32_t>;
using PartitionId = StrongId<struct PartitionIdTag, std::uint32_t>;  // 0 is the metadata group
using KeyspaceId = StrongId<struct KeyspaceIdTag, std::uint32_t>;    // 0 is `main`
using ClusterId = StrongId<struct ClusterIdTag, std::uint64_t>;
using Incarnation =
    StrongId<struct IncarnationTag, std::uint64_t>;  // random, drawn once per data directory
using Generation = StrongId<struct GenerationTag, std::uint64_t>;  // of a partition's rows
using Term = StrongId<struct TermTag, std::uint64_t>;
using Index = StrongId<struct IndexTag, std::uint64_t>;        // of a log entry, from 1
using ClientId = StrongId<struct ClientIdTag, std::uint64_t>;  // who numbered a request
using Slot = StrongId<struct SlotTag, std::uint16_t>;          // 0..16383

constexpr Index operator+(Index index, std::uint64_t n) { return Index(index.value() + n); }
constexpr Index operator-(Index index, std::uint64_t n) { return Index(index.value() - n); }
constexpr std::uint64_t operator-(Index a, Index b) { return a.value() - b.value(); }

}  // namespace kvorum

template <class Tag, class Rep>
struct std::hash<kvorum::StrongId<Tag, Rep>> {
  std::size_t operator()(kvorum::StrongId<Tag, Rep> id) const { return hash_value(id); }
};
