// HTTP/1.1 requests off a stream, by Boost.Beast's parser (RFC 9112): incremental, bounded.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/error.h"

namespace kvorum::front {

enum class Method : std::uint8_t { kGet, kHead, kPut, kPost, kDelete, kOptions, kOther };

// The header fields that anything here looks at; all others are dropped as they come.
enum class Field : std::uint8_t {
  kAccept,
  kExpect,
  kHost,
  kIfMatch,
  kIfNoneMatch,
  kOrigin,
  kPreflightMethod,  // Access-Control-Request-Method
  kLevel,            // Kvorum-Level
  kKeyspace,         // Kvorum-Keyspace
  kSession,          // Kvorum-Session
  kContext,          // Kvorum-Context
  kCount,
};

struct HttpRequest {
  Method method = Method::kOther;
  Bytes target;                                                       // as it came: path?query
  std::array<Bytes, static_cast<std::size_t>(Field::kCount)> fields;  // empty: not there
  std::optional<Field> blank;  // one that is there and says nothing
  Bytes body;
  bool keep_alive = false;  // what the client wants
  bool http10 = false;

  const Bytes& field(Field name) const { return fields[static_cast<std::size_t>(name)]; }
};

// Why a request was refused while it was parsed, as an HTTP status.
struct HttpRefusal {
  unsigned status = 0;
  Bytes why;
};

struct HttpLimits {
  std::size_t header_bytes = std::size_t{32} << 10;
  std::size_t body_bytes = std::size_t{16} << 20;
};

class HttpParser {
 public:
  enum class Status : std::uint8_t {
    kNeedMore,
    kRequest,  // request() holds it
    kRefused,  // refusal() says why; the stream is of no further use
  };

  explicit HttpParser(const HttpLimits& limits);
  ~HttpParser();

  // Parses from the front of `bytes`; `used` says how many it is done with. At most one request.
  Status next(ByteView bytes, std::size_t& used);

  // Of the last kRequest; the caller may take its parts.
  HttpRequest& request() { return request_; }
  const HttpRefusal& refusal() const { return refusal_; }

  // A request has begun, and its header is here; its body is not, or not whole.
  bool within_body() const;
  // The client waits for a word before it sends its body (Expect: 100-continue). True once.
  bool take_continue();

 private:
  class Message;

  HttpLimits limits_;
  std::unique_ptr<Message> message_;
  HttpRequest request_;
  HttpRefusal refusal_;
  bool continue_told_ = false;
};

}  // namespace kvorum::front
