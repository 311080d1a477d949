#include "app/cli_format.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace kvorum::app {
namespace {

using Type = wire::Reply::Type;
using Json = nlohmann::ordered_json;

constexpr const char* kRed = "\x1b[31m";
constexpr const char* kGrey = "\x1b[90m";
constexpr const char* kPlain = "\x1b[0m";

std::string painted(const Style& style, const char* colour, const std::string& text) {
  return style.colour ? colour + text + kPlain : text;
}

std::string format(const wire::Reply& reply, const Style& style, const std::string& indent);

// Each line but the first begins with `indent`: the first stands behind what opened this array.
std::string format_elements(const wire::Reply& reply, const Style& style,
                            const std::string& indent) {
  const bool map = reply.type == Type::kMap;
  const std::size_t step = map ? 2 : 1;
  const auto count = reply.elements.size() / step;
  const auto width = std::to_string(count).size();
  const char mark = map ? '#' : reply.type == Type::kSet ? '~' : ')';
  const auto deeper = indent + std::string(width + 2, ' ');
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    out += i == 0 ? "" : '\n' + indent;
    out += fmt::format("{:>{}}{} ", i + 1, width, mark);
    out += format(reply.elements[i * step], style, deeper);
    if (map) {
      out += " => " + format(reply.elements[i * step + 1], style, deeper);
    }
  }
  return out;
}

std::string format(const wire::Reply& reply, const Style& style, const std::string& indent) {
  switch (reply.type) {
    case Type::kNil:
      return painted(style, kGrey, "(nil)");
    case Type::kError:
      return painted(style, kRed, "(error) " + reply.text);
    case Type::kInteger:
      return "(integer) " + std::to_string(reply.integer);
    case Type::kBool:
      return reply.integer != 0 ? "(true)" : "(false)";
    case Type::kDouble:
      return "(double) " + reply.text;
    case Type::kStatus:
    case Type::kBigNumber:
      return reply.text;
    case Type::kVerbatim:
      return reply.text;
    case Type::kBulk:
      return quote(reply.text);
    case Type::kArray:
    case Type::kPush:
      return reply.elements.empty() ? "(empty array)" : format_elements(reply, style, indent);
    case Type::kSet:
      return reply.elements.empty() ? "(empty set)" : format_elements(reply, style, indent);
    case Type::kMap:
      return reply.elements.empty() ? "(empty hash)" : format_elements(reply, style, indent);
  }
  return {};
}

bool is_utf8(const Bytes& text) {
  try {
    Json(text).dump();
    return true;
  } catch (const Json::type_error&) {
    return false;
  }
}

std::string hex(ByteView bytes) {
  std::string out;
  for (const char c : bytes) {
    out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

Json json_text(const Bytes& text) {
  return is_utf8(text) ? Json(text) : Json{{"bytes", hex(text)}};
}

Json json_double(const Bytes& text) {
  double value = 0;
  const auto end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && at == end && std::isfinite(value) ? Json(value) : Json(text);
}

Json to_json(const wire::Reply& reply) {
  switch (reply.type) {
    case Type::kNil:
      return nullptr;
    case Type::kError:
      return Json{{"error", json_text(reply.text)}};
    case Type::kInteger:
      return reply.integer;
    case Type::kBool:
      return reply.integer != 0;
    case Type::kDouble:
      return json_double(reply.text);
    case Type::kMap: {
      auto map = Json::object();
      for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
        const auto key = to_json(reply.elements[i]);
        map[key.is_string() ? key.get<std::string>() : key.dump()] = to_json(reply.elements[i + 1]);
      }
      return map;
    }
    case Type::kArray:
    case Type::kSet:
    case Type::kPush: {
      auto array = Json::array();
      for (const auto& element : reply.elements) {
        array.push_back(to_json(element));
      }
      return array;
    }
    default:
      return json_text(reply.text);
  }
}

}  // namespace

std::string quote(ByteView bytes) {
  std::string out = "\"";
  for (const char c : bytes) {
    constexpr ByteView kPlainForms = "\n\r\t\a\b\"\\";
    constexpr ByteView kLetters = "nrtab\"\\";
    if (const auto at = kPlainForms.find(c); at != ByteView::npos) {
      out += '\\';
      out += kLetters[at];
    } else if (c >= ' ' && c <= '~') {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out + '"';
}

std::string format_reply(const wire::Reply& reply, const Style& style) {
  if (style.raw_text && reply.type == Type::kBulk && reply.text.find('\n') != Bytes::npos) {
    return reply.text.substr(0, reply.text.find_last_not_of("\r\n") + 1);
  }
  return format(reply, style, {});
}

std::string format_json(const wire::Reply& reply) { return to_json(reply).dump(); }

std::string format_failure(const std::string& text, const Style& style) {
  return painted(style, kRed, "(error) " + text);
}

std::string format_failure_json(const std::string& text) {
  return Json{{"error", json_text(text)}}.dump();
}

}  // namespace kvorum::app
