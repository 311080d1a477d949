// What an HTTP request is answered.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace kvorum::front {

struct HttpResponse {
  unsigned status = 200;
  const char* type = "application/json";
  Bytes body;    // 204 and 304 have none
  Bytes fields;  // further ones, as they go over the connection

  // Neither has a CR or LF.
  void add_field(ByteView name, ByteView value) {
    fields.append(name).append(": ").append(value).append("\r\n");
  }
};

// How it goes over the connection.
struct Framing {
  bool head = false;  // the answer to HEAD: all but the body
  bool close = false;
  bool http10 = false;
  ByteView date = {};  // now, as the field Date has it (RFC 9110, 5.6.7); empty: no such field
};

void append_response(const HttpResponse& response, const Framing& framing, Bytes& out);

HttpResponse json_response(unsigned status, Bytes body);
HttpResponse text_response(unsigned status, Bytes body);
// {"code", "message", "definite"}: the one form of every error.
HttpResponse error_response(unsigned status, ByteView code, ByteView message,
                            Outcome outcome = Outcome::kDefinite);
// The node's error under the status that fits it: 503 with Retry-After for what may pass, 504 for
// an unknown outcome.
HttpResponse error_response(const Error& error);

// A JSON string of it, quotes included; what is no UTF-8 is replaced.
std::string json_text(ByteView text);
bool is_utf8(ByteView text);
// A member of a JSON object: "name":"text", or "name_base64" where it is no UTF-8.
std::string json_field(ByteView name, ByteView bytes);

}  // namespace kvorum::front
