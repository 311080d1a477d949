#include "model/entry.h"

#include "base/checksum.h"

namespace kvorum {

void encode_head(const Entry& entry, Bytes& out) {
  put_fixed(out, entry.term.value());
  put_fixed(out, entry.index.value());
  put_fixed(out, static_cast<std::uint8_t>(entry.type));
  put_fixed(out, entry.stamp.value());
  put_fixed(out, static_cast<std::uint32_t>(entry.payload->size()));
  put_fixed(out, checksum(*entry.payload));
}

void encode(const Entry& entry, Bytes& out) {
  encode_head(entry, out);
  out.append(*entry.payload);
}

Entry decode_entry(Reader& reader) {
  Entry entry;
  entry.term = Term(reader.fixed<std::uint64_t>());
  entry.index = Index(reader.fixed<std::uint64_t>());
  const auto type = reader.fixed<std::uint8_t>();
  entry.stamp = WallMs(reader.fixed<std::int64_t>());
  const auto size = reader.fixed<std::uint32_t>();
  const auto sum = reader.fixed<std::uint64_t>();
  const auto payload = reader.take(size);
  if (!reader.ok()) {
    return entry;
  }
  if (type > static_cast<std::uint8_t>(EntryType::kRows) || checksum(payload) != sum) {
    reader.take(reader.rest().size() + 1);  // fails the reader
    return entry;
  }
  entry.type = static_cast<EntryType>(type);
  entry.payload = share(Bytes(payload));
  return entry;
}

}  // namespace kvorum
