// Where an answer goes. kv/ and node/ speak to this; wire/ turns it into RESP bytes right in the
// connection's output buffer, kv/ itself keeps it for KV.ONCE, and replicas that owe nobody an
// answer drop it.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/error.h"

namespace kvorum {

class ReplyWriter {
 public:
  virtual ~ReplyWriter() = default;

  virtual void status(ByteView text) = 0;  // "OK": one line, no CR or LF inside
  virtual void integer(std::int64_t value) = 0;
  virtual void bulk(ByteView bytes) = 0;
  virtual void nil() = 0;
  virtual void error(const Error& error) = 0;
  virtual void array(std::size_t count) = 0;  // the next `count` replies are its elements
  virtual void map(std::size_t pairs) = 0;    // RESP3 map; an array of 2 * pairs in RESP2
};

// Drops everything.
class NoReply final : public ReplyWriter {
 public:
  void status(ByteView) override {}
  void integer(std::int64_t) override {}
  void bulk(ByteView) override {}
  void nil() override {}
  void error(const Error&) override {}
  void array(std::size_t) override {}
  void map(std::size_t) override {}
};

}  // namespace kvorum
