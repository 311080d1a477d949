// Replies as bytes: what a KV.ONCE client was answered, kept to be answered again.
#pragma once

#include "base/bytes.h"
#include "base/codec.h"
#include "model/reply.h"

namespace kvorum::kv {

// Appends every reply it is given to `out`.
class ReplyRecorder final : public ReplyWriter {
 public:
  explicit ReplyRecorder(Bytes& out) : out_(out) {}

  void status(ByteView text) override { tagged('+', text); }
  void integer(std::int64_t value) override;
  void bulk(ByteView bytes) override { tagged('$', bytes); }
  void nil() override { out_.push_back('_'); }
  void error(const Error& error) override;
  void array(std::size_t count) override;
  void map(std::size_t pairs) override;

 private:
  void tagged(char tag, ByteView bytes);

  Bytes& out_;
};

// Says it again. False: malformed bytes, found before anything was said.
bool replay(ByteView recorded, ReplyWriter& reply);

}  // namespace kvorum::kv
