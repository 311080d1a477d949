// The keys that the store on RocksDB writes, and its small values. docs/store.md shows them.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/codec.h"
#include "base/ids.h"
#include "model/entry.h"
#include "store/store.h"

namespace kvorum::store::rocks_keys {

// Of everything below; raised when a reader of the old one would misread. 2: leaderless partitions
// have logs. 3: write-ahead logs may end in zeros. 4: entries stand in write-ahead logs alone.
inline constexpr std::uint32_t kFormat = 4;

// Big-endian: RocksDB's order of the bytes is then the order of the numbers.
template <class Int>
void put_big(Bytes& out, Int value) {
  for (int shift = static_cast<int>(sizeof value) * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

template <class Int>
Int get_big(ByteView bytes) {
  Int value = 0;
  for (const char byte : bytes.substr(0, sizeof value)) {
    value = static_cast<Int>(value << 8 | static_cast<unsigned char>(byte));
  }
  return value;
}

// Column family `log`: entries, in formats 1 to 3; empty since.
inline constexpr std::size_t kLogKeyBytes = 12;
inline Bytes log_key(PartitionId partition, Index index) {
  Bytes key;
  put_big(key, partition.value());
  put_big(key, index.value());
  return key;
}
inline PartitionId partition_of_log_key(ByteView key) {
  return PartitionId(get_big<std::uint32_t>(key));
}
inline Index index_of_log_key(ByteView key) { return Index(get_big<std::uint64_t>(key.substr(4))); }

// Column family `meta`.
inline constexpr ByteView kFormatKey = "f";
inline constexpr ByteView kFirstKey = "b";
inline constexpr char kHardStatePrefix = 'h';
inline constexpr char kBasePrefix = 'l';
inline constexpr char kRecordPrefix = 'n';
inline constexpr char kSealPrefix = 's';

inline Bytes partition_key(char prefix, PartitionId partition) {
  Bytes key(1, prefix);
  put_big(key, partition.value());
  return key;
}
inline PartitionId partition_of(ByteView partition_key) {
  return PartitionId(get_big<std::uint32_t>(partition_key.substr(1)));
}
inline Bytes record_key(ByteView name) { return Bytes(1, kRecordPrefix).append(name); }
inline Bytes seal_key(std::uint64_t seal) {
  Bytes key(1, kSealPrefix);
  put_big(key, seal);
  return key;
}

// Column family `data`.
inline constexpr char kPartitionPrefix = 'p';
inline constexpr char kRowPrefix = 'r';
inline constexpr std::size_t kRowPrefixBytes = 13;
inline Bytes row_prefix(PartitionId partition, Generation generation) {
  auto key = partition_key(kRowPrefix, partition);
  put_big(key, generation.value());
  return key;
}
// The first key behind all that begin with the prefix, which is not all 0xff.
inline Bytes after(Bytes prefix) {
  while (prefix.back() == '\xff') {
    prefix.pop_back();
  }
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

// Values.
inline Bytes encode(const HardState& state) {
  Bytes out;
  put_fixed(out, state.term.value());
  put_fixed(out, state.vote.value());
  put_fixed(out, state.commit.value());
  return out;
}
inline std::optional<HardState> decode_hard_state(ByteView bytes) {
  Reader reader(bytes);
  HardState state;
  state.term = Term(reader.fixed<std::uint64_t>());
  state.vote = NodeId(reader.fixed<std::uint32_t>());
  state.commit = Index(reader.fixed<std::uint64_t>());
  return reader.done() ? std::optional(state) : std::nullopt;
}
inline Bytes encode_base(const LogExtent& extent) {
  Bytes out;
  put_fixed(out, extent.base.value());
  put_fixed(out, extent.base_term.value());
  return out;
}
inline std::optional<LogExtent> decode_base(ByteView bytes) {
  Reader reader(bytes);
  LogExtent extent;
  extent.base = Index(reader.fixed<std::uint64_t>());
  extent.base_term = Term(reader.fixed<std::uint64_t>());
  extent.last = extent.base;
  return reader.done() ? std::optional(extent) : std::nullopt;
}

}  // namespace kvorum::store::rocks_keys
