// Replies as text for people, as redis-cli shows them, and as JSON for programs.
#pragma once

#include <string>

#include "base/bytes.h"
#include "wire/reply_parser.h"

namespace kvorum::app {

struct Style {
  bool colour = false;
  bool raw_text = false;  // a bulk string of several lines is shown as it is: KV.STATUS, INFO
};

// "quoted", with \n \r \t \a \b \" \\ and \x00 escapes.
std::string quote(ByteView bytes);

// Without a line break at the end.
std::string format_reply(const wire::Reply& reply, const Style& style);

// One JSON value in one line. An error is {"error": text}; bytes that are no UTF-8 are {"bytes":
// hex digits}.
std::string format_json(const wire::Reply& reply);

// The same shapes for what the client itself has to say about a request.
std::string format_failure(const std::string& text, const Style& style);
std::string format_failure_json(const std::string& text);

}  // namespace kvorum::app
