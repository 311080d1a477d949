// Keys with their encoded rows, one behind the other in one piece of memory: as messages carry them
// and as the disk's journal keeps them, so that no row is copied in pieces on its way.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <utility>

#include "base/bytes.h"
#include "base/codec.h"

namespace kvorum::dynamo {

class RowList {
 public:
  struct Item {
    ByteView key;
    ByteView row;  // empty: there is none
  };

  class Iterator {
   public:
    explicit Iterator(ByteView rest) : rest_(rest) { read(); }
    const Item& operator*() const { return item_; }
    const Item* operator->() const { return &item_; }
    Iterator& operator++() {
      rest_ = behind_;
      read();
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) {
      return a.rest_.size() == b.rest_.size();
    }

   private:
    void read() {
      Reader reader(rest_);
      item_.key = reader.bytes();
      item_.row = reader.bytes();
      behind_ = reader.rest();
    }

    ByteView rest_;
    ByteView behind_;
    Item item_;
  };

  RowList() = default;
  RowList(std::initializer_list<Item> items) {
    for (const Item& item : items) {
      add(item.key, item.row);
    }
  }

  void add(ByteView key, ByteView row) {
    put_bytes(bytes_, key);
    put_bytes(bytes_, row);
    ++size_;
  }
  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }
  void clear() {
    bytes_.clear();
    size_ = 0;
  }
  // Reads so many rows as add() wrote them. False: malformed.
  bool read(Reader& reader, std::size_t count) {
    const ByteView all = reader.rest();
    for (std::size_t i = 0; i < 2 * count && reader.ok(); ++i) {
      reader.bytes();
    }
    bytes_ = all.substr(0, all.size() - reader.rest().size());
    size_ = count;
    return reader.ok();
  }

  // Of nothing but rows, as take_bytes() gave them.
  bool read(ByteView bytes) {
    clear();
    Reader reader(bytes);
    for (; !reader.rest().empty(); ++size_) {
      reader.bytes();
      reader.bytes();
    }
    bytes_ = bytes;
    return reader.ok();
  }
  Bytes take_bytes() {
    size_ = 0;
    return std::exchange(bytes_, {});
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const Bytes& bytes() const { return bytes_; }
  Iterator begin() const { return Iterator(bytes_); }
  Iterator end() const { return Iterator({}); }
  friend bool operator==(const RowList&, const RowList&) = default;

 private:
  Bytes bytes_;
  std::size_t size_ = 0;
};

}  // namespace kvorum::dynamo
