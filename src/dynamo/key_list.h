// Keys, one behind the other in one piece of memory: as messages carry them, so that no key is an
// allocation of its own.
#pragma once

#include <cstddef>
#include <initializer_list>

#include "base/bytes.h"
#include "base/codec.h"

namespace kvorum::dynamo {

class KeyList {
 public:
  class Iterator {
   public:
    explicit Iterator(ByteView rest) : reader_(rest), left_(rest.size()) { read(); }
    ByteView operator*() const { return key_; }
    Iterator& operator++() {
      read();
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.left_ == b.left_; }

   private:
    void read() {
      left_ = reader_.rest().size();
      key_ = reader_.bytes();
    }

    Reader reader_;
    std::size_t left_;  // bytes, this key's among them
    ByteView key_;
  };

  KeyList() = default;
  KeyList(std::initializer_list<ByteView> keys) {
    for (const ByteView key : keys) {
      add(key);
    }
  }

  void add(ByteView key) {
    put_bytes(bytes_, key);
    ++size_;
  }
  // Reads so many keys as add() wrote them. False: malformed.
  bool read(Reader& reader, std::size_t count) {
    const ByteView all = reader.rest();
    for (std::size_t i = 0; i < count && reader.ok(); ++i) {
      reader.bytes();
    }
    bytes_ = all.substr(0, all.size() - reader.rest().size());
    size_ = count;
    return reader.ok();
  }

  bool has(ByteView wanted) const {  // looks at all of them
    for (const ByteView key : *this) {
      if (key == wanted) {
        return true;
      }
    }
    return false;
  }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const Bytes& bytes() const { return bytes_; }
  Iterator begin() const { return Iterator(bytes_); }
  Iterator end() const { return Iterator({}); }
  friend bool operator==(const KeyList&, const KeyList&) = default;

 private:
  Bytes bytes_;
  std::size_t size_ = 0;
};

}  // namespace kvorum::dynamo
