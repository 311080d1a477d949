// Redis clients: wire/'s parser and writer as a front.
#pragma once

#include "front/front.h"
#include "wire/resp.h"
#include "wire/resp_writer.h"

namespace kvorum::front {

class RespFront final : public Front {
 public:
  RespFront(const wire::RequestLimits& limits, Bytes& out) : parser_(limits), writer_(out) {}

  void feed(ByteView bytes) override { parser_.feed(bytes); }
  void keep() override { parser_.keep(); }
  Status next() override {
    switch (parser_.next()) {
      case wire::RequestParser::Status::kNeedMore:
        return Status::kNeedMore;
      case wire::RequestParser::Status::kRequest:
        return Status::kRequest;
      case wire::RequestParser::Status::kRefused:
        return Status::kRefused;
      case wire::RequestParser::Status::kFatal:
        break;
    }
    return Status::kFatal;
  }
  std::span<const ByteView> args() const override { return parser_.args(); }
  const Error& error() const override { return parser_.error(); }
  ReplyWriter& writer() override { return writer_; }
  std::uint64_t replies() const override { return writer_.replies(); }
  void set_protocol(int version) override { writer_.set_protocol(version); }
  bool within_request() const override { return parser_.buffered() > 0; }

 private:
  wire::RequestParser parser_;
  wire::RespWriter writer_;
};

}  // namespace kvorum::front
