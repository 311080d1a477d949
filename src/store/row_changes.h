// Changes of one partition's rows, one behind the other in one piece of memory: a checkpoint has a
// hundred thousand of them.
#pragma once

#include <cstddef>
#include <initializer_list>

#include "base/bytes.h"
#include "base/check.h"
#include "base/codec.h"

namespace kvorum::store {

class RowChanges {
 public:
  using Parts = std::initializer_list<ByteView>;  // of a key or value, in order

  RowChanges& put(ByteView key, ByteView value) { return put({key}, {value}); }
  RowChanges& put(Parts key, Parts value) {
    append(key, 0);
    append(value, 1);
    return *this;
  }
  RowChanges& erase(ByteView key) {
    append({key}, 0);
    put_varint(bytes_, 0);
    return *this;
  }
  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }

  // put(key, value) or erase(key) for each of them, in order; good while this lives.
  template <class Put, class Erase>
  void each(Put put, Erase erase) const {
    Reader reader(bytes_);
    while (!reader.rest().empty()) {
      const auto key = reader.bytes();
      if (const auto mark = reader.varint(); mark != 0) {
        put(key, reader.take(static_cast<std::size_t>(mark - 1)));
      } else {
        erase(key);
      }
    }
    CHECK(reader.ok(), "row changes are written here alone");
  }

 private:
  // Behind their size, greater by `more`.
  void append(Parts parts, std::size_t more) {
    std::size_t size = more;
    for (const ByteView part : parts) {
      size += part.size();
    }
    put_varint(bytes_, size);
    for (const ByteView part : parts) {
      bytes_.append(part);
    }
  }

  Bytes bytes_;
};

}  // namespace kvorum::store
