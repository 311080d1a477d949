#include "store/wal_scan.h"

#include <algorithm>

#include "base/codec.h"

// Its header is none of those that RocksDB installs; rocks_crc32c.cc may stand in for it.
namespace rocksdb::crc32c {
std::uint32_t Extend(std::uint32_t before, const char* bytes, std::size_t size);
}

namespace kvorum::store {
namespace {

// The format is RocksDB's log_format.h: blocks of 32 KiB; each holds fragments of checksum (4),
// length (2), type (1) and bytes; less than a head's room at a block's end is zeros. Files are
// never recycled, so the other head is unknown; behind the last record there may be zeros.
constexpr std::size_t kBlockBytes = 32768;
constexpr std::size_t kFragmentHeadBytes = 7;
enum FragmentType : std::uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

constexpr char kLogDataTag = 3;              // a write batch's item that reaches the WAL only
constexpr std::size_t kBatchHeadBytes = 12;  // sequence number and count
constexpr std::size_t kRecordHeadBytes = kBatchHeadBytes + 2 + kWalMarkBytes;  // with a mark

struct Fragment {
  FragmentType type;
  ByteView bytes;
  std::size_t end;  // in the file
};

std::uint32_t masked_crc(ByteView bytes) {
  const auto sum = rocksdb::crc32c::Extend(0, bytes.data(), bytes.size());
  return (sum >> 15 | sum << 17) + 0xa282ead8u;
}

std::uint64_t left_in_block(std::uint64_t at) { return kBlockBytes - at % kBlockBytes; }

std::optional<Fragment> read_fragment(ByteView file, std::size_t at) {
  if (file.size() < at + kFragmentHeadBytes || left_in_block(at) < kFragmentHeadBytes) {
    return std::nullopt;
  }
  Reader head(file.substr(at, kFragmentHeadBytes));
  const auto sum = head.fixed<std::uint32_t>();
  const auto length = head.fixed<std::uint16_t>();
  const auto type = head.fixed<std::uint8_t>();
  const auto end = at + kFragmentHeadBytes + length;
  if (type < kFull || type > kLast || end > file.size() ||
      kFragmentHeadBytes + length > left_in_block(at) ||
      masked_crc(file.substr(at + kFragmentHeadBytes - 1, length + std::size_t{1})) != sum) {
    return std::nullopt;
  }
  return Fragment{static_cast<FragmentType>(type), file.substr(at + kFragmentHeadBytes, length),
                  end};
}

std::size_t skip_trailer(ByteView file, std::size_t at) {
  const auto left = left_in_block(at);
  return left < kFragmentHeadBytes ? std::min(file.size(), at + left) : at;
}

// A record, which may be spread over fragments, and its end.
struct Record {
  ByteView bytes;
  std::size_t end = 0;
  Bytes joined;  // what `bytes` may be a view of; keeps its memory for the next one
};
// False: there is none. Unless `all`, which asks for every fragment, only its beginning is read.
bool read_record(ByteView file, std::size_t at, bool all, Record& record) {
  auto fragment = read_fragment(file, at);
  if (!fragment || fragment->type > kFirst) {
    return false;
  }
  record.bytes = fragment->bytes;
  record.end = fragment->end;
  const auto lacks = [&] {
    return fragment->type != kFull && fragment->type != kLast &&
           (all || record.bytes.size() < kRecordHeadBytes);
  };
  if (lacks()) {
    record.joined = record.bytes;
  }
  while (lacks()) {
    fragment = read_fragment(file, skip_trailer(file, fragment->end));
    if (!fragment || fragment->type < kMiddle) {
      return false;
    }
    record.joined.append(fragment->bytes);
    record.bytes = record.joined;
    record.end = fragment->end;
  }
  return true;
}

// Whether a record that begins behind the damage, and before `end`, was written after `last` had
// been synced. Damage may have broken the framing, so every offset is tried; a look for the mark
// first spares nearly all of the checksums.
bool synced_behind(ByteView file, std::size_t damage, std::size_t end,
                   std::optional<std::uint64_t> last) {
  Record record;
  for (auto at = damage + 1; at < end && at + kFragmentHeadBytes < file.size(); ++at) {
    if (left_in_block(at) >= kFragmentHeadBytes + kRecordHeadBytes) {
      const auto likely = read_wal_record(file.substr(at + kFragmentHeadBytes));
      if (!likely || !likely->mark) {
        continue;
      }
    }
    const bool there = read_record(file, at, false, record);
    const auto batch = there ? read_wal_record(record.bytes) : std::nullopt;
    if (batch && batch->mark && (!last || batch->mark->synced > *last)) {
      return true;  // without `last` too: a file's first record is synced before its second is
                    // written
    }
  }
  return false;
}

}  // namespace

Bytes encode(const WalMark& mark) {
  Bytes out;
  put_fixed(out, mark.synced);
  put_fixed(out, mark.seal);
  return out;
}

std::optional<WalRecord> read_wal_record(ByteView bytes) {
  Reader reader(bytes);
  WalRecord record;
  record.sequence = reader.fixed<std::uint64_t>();
  record.count = reader.fixed<std::uint32_t>();
  if (!reader.ok()) {
    return std::nullopt;
  }
  if (reader.fixed<char>() == kLogDataTag && reader.fixed<std::uint8_t>() == kWalMarkBytes) {
    WalMark mark;
    mark.synced = reader.fixed<std::uint64_t>();
    mark.seal = reader.fixed<std::uint64_t>();
    if (reader.ok()) {
      record.mark = mark;
    }
  }
  return record;
}

bool each_log_data(ByteView record, const std::function<void(ByteView bytes)>& visit) {
  Reader reader(record);
  reader.take(kBatchHeadBytes);
  while (!reader.rest().empty() && reader.rest().front() == kLogDataTag) {
    reader.take(1);
    const auto bytes = reader.bytes();
    if (reader.ok()) {
      visit(bytes);
    }
  }
  return reader.ok();
}

WalScan scan_wal(ByteView file, const WalVisit& visit) {
  WalScan scan;
  std::optional<std::uint64_t> last;  // sequence number of the last whole record's last item
  Record record;
  for (std::size_t at = 0; at < file.size();) {
    const bool there = read_record(file, at, true, record);
    const auto batch = there ? read_wal_record(record.bytes) : std::nullopt;
    if (!batch) {
      const auto end = file.find_last_not_of('\0') + 1;  // of all but zeros
      if (end > scan.whole_bytes) {
        scan.damaged_bytes = end - scan.whole_bytes;
        scan.lost_synced = synced_behind(file, at, end, last);
      }
      return scan;
    }
    last = batch->sequence + batch->count - 1;
    scan.whole_bytes = record.end;
    if (visit) {
      visit(at, record.bytes);
    }
    at = skip_trailer(file, record.end);
  }
  return scan;
}

WalRange wal_range(std::uint64_t record, std::uint64_t offset, std::uint64_t size) {
  if (left_in_block(record) < kFragmentHeadBytes) {
    record += left_in_block(record);
  }
  constexpr auto kFragmentBytes = kBlockBytes - kFragmentHeadBytes;
  const auto first = left_in_block(record) - kFragmentHeadBytes;  // bytes in the first fragment
  const auto place = [&](std::uint64_t byte) {
    if (byte < first) {
      return record + kFragmentHeadBytes + byte;
    }
    byte -= first;
    return record + kFragmentHeadBytes + first + byte / kFragmentBytes * kBlockBytes +
           kFragmentHeadBytes + byte % kFragmentBytes;
  };
  return {place(offset), place(offset + size - 1) + 1};
}

void read_wal_range(std::uint64_t begin, ByteView range, Bytes& out) {
  auto left = left_in_block(begin);
  while (range.size() > left) {
    out.append(range.substr(0, left));
    range.remove_prefix(std::min<std::size_t>(range.size(), left + kFragmentHeadBytes));
    left = kBlockBytes - kFragmentHeadBytes;
  }
  out.append(range);
}

std::size_t whole_manifest_bytes(ByteView file) {
  std::size_t whole = 0;
  Record record;
  for (std::size_t at = 0; at < file.size(); at = skip_trailer(file, whole)) {
    if (!read_record(file, at, true, record)) {
      return whole;
    }
    whole = record.end;
  }
  return file.size();
}

}  // namespace kvorum::store
