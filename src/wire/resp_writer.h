// Replies as RESP bytes, appended to a connection's output as they are given.
#pragma once

#include <cstdint>

#include "model/reply.h"

namespace kvorum::wire {

class RespWriter final : public ReplyWriter {
 public:
  explicit RespWriter(Bytes& out) : out_(out) {}

  void set_protocol(int version) { resp3_ = version >= 3; }

  void status(ByteView text) override;
  void integer(std::int64_t value) override;
  void bulk(ByteView bytes) override;
  void nil() override;
  void error(const Error& error) override;
  void array(std::size_t count) override;
  void map(std::size_t pairs) override;

  // Replies that are whole, elements of arrays not counted.
  std::uint64_t replies() const { return replies_; }

 private:
  void line(char type, ByteView text);
  void number(char type, std::int64_t value);
  // One value was written, with `elements` more to come inside it.
  void count(std::uint64_t elements) {
    pending_ = (pending_ == 0 ? 0 : pending_ - 1) + elements;
    replies_ += pending_ == 0 ? 1 : 0;
  }

  Bytes& out_;
  std::uint64_t replies_ = 0;
  std::uint64_t pending_ = 0;  // values that the open reply still lacks
  bool resp3_ = false;
};

}  // namespace kvorum::wire
