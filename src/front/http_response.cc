#include "front/http_response.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "front/http_target.h"

namespace kvorum::front {
namespace {

const char* reason(unsigned status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 300:
      return "Multiple Choices";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 421:
      return "Misdirected Request";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Status";
  }
}

unsigned status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNoSuchKey:
    case ErrorCode::kNoKeyspace:
      return 404;
    case ErrorCode::kSiblings:
      return 409;
    case ErrorCode::kTooLong:
      return 413;
    case ErrorCode::kNoLeader:
    case ErrorCode::kTimeout:
    case ErrorCode::kBusy:
    case ErrorCode::kDiskFull:
    case ErrorCode::kStale:
    case ErrorCode::kLoading:
    case ErrorCode::kNoQuorum:
    case ErrorCode::kClock:
      return 503;
    case ErrorCode::kUnknown:
      return 504;
    case ErrorCode::kIo:
    case ErrorCode::kCorrupt:
    case ErrorCode::kIdentity:
    case ErrorCode::kFormat:
    case ErrorCode::kConfig:
      return 500;
    default:
      return 400;
  }
}

}  // namespace

void append_response(const HttpResponse& response, const Framing& framing, Bytes& out) {
  const bool has_body = response.status != 204 && response.status != 304;
  const auto number = [&out](std::size_t value) {
    const fmt::format_int digits(value);
    out.append(digits.data(), digits.size());
  };
  out.append("HTTP/1.1 ");
  number(response.status);
  out.append(" ").append(reason(response.status)).append("\r\n");
  if (!framing.date.empty()) {
    out.append("Date: ").append(framing.date).append("\r\n");
  }
  if (has_body) {
    out.append("Content-Type: ").append(response.type).append("\r\nContent-Length: ");
    number(response.body.size());
    out.append("\r\n");
  }
  out.append(response.fields);
  if (framing.close) {
    out.append("Connection: close\r\n");
  } else if (framing.http10) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
  if (has_body && !framing.head) {
    out.append(response.body);
  }
}

HttpResponse json_response(unsigned status, Bytes body) {
  return {status, "application/json", std::move(body), {}};
}

HttpResponse text_response(unsigned status, Bytes body) {
  return {status, "text/plain; charset=utf-8", std::move(body), {}};
}

HttpResponse error_response(unsigned status, ByteView code, ByteView message, Outcome outcome) {
  auto response = json_response(
      status, fmt::format("{{\"code\":{},\"message\":{},\"definite\":{}}}\n", json_text(code),
                          json_text(message), outcome == Outcome::kDefinite));
  if (status == 503) {
    response.add_field("Retry-After", "1");
  }
  return response;
}

HttpResponse error_response(const Error& error) {
  return error_response(status_of(error.code), resp_code(error.code),
                        error.detail.empty() ? default_text(error.code) : error.detail,
                        outcome_of(error.code));
}

std::string json_text(ByteView text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(ByteView text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t size = lead < 0x80                   ? 1
                             : lead >= 0xc2 && lead < 0xe0 ? 2
                             : lead < 0xf0                 ? 3
                                                           : 4;
    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || text.size() - i < size) {
      return false;
    }
    std::uint32_t point = size == 1 ? lead : lead & (0xffu >> (size + 1));
    for (std::size_t k = 1; k < size; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) {
        return false;
      }
      point = point << 6 | (next & 0x3f);
    }
    if ((size == 3 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) ||
        (size == 4 && (point < 0x10000 || point > 0x10ffff))) {
      return false;
    }
    i += size;
  }
  return true;
}

std::string json_field(ByteView name, ByteView bytes) {
  return is_utf8(bytes) ? fmt::format("\"{}\":{}", name, json_text(bytes))
                        : fmt::format("\"{}_base64\":\"{}\"", name, base64(bytes));
}

}  // namespace kvorum::front
