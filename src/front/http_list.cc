// Keys by prefix, page by page: GET /v1/kv.
#include <algorithm>
#include <numeric>

#include "base/parse.h"
#include "front/http_exchange.h"

namespace kvorum::front {
namespace {

using wire::Reply;

constexpr std::size_t kDefaultLimit = 100;
constexpr std::size_t kMaxLimit = 1000;
constexpr std::size_t kRowsAStep = 2048;  // walked at once, so that nobody waits long behind it

// SCANs until the page is full, then reads its values. The node's cursor is the page's: good at
// any node, and as long as the keyspace lives.
class ListExchange final : public Exchange {
 public:
  ListExchange(Ask ask, Bytes prefix, Bytes cursor, std::size_t limit, bool values)
      : Exchange(std::move(ask)),
        pattern_(prefix_pattern(prefix)),
        cursor_(std::move(cursor)),
        limit_(limit),
        values_(values) {}

  bool one_step() const override { return false; }
  std::size_t held() const override { return bytes_of(keys_); }
  Step begin() override { return scan(kRowsAStep); }

  Step answered(std::vector<ReplyTree::Taken> replies) override {
    for (const auto& one : replies) {
      if (one.error) {
        return error_response(*one.error);
      }
    }
    if (reading_) {
      return page(replies);
    }
    auto& elements = replies.front().reply.elements;
    if (elements.size() != 2) {
      return error_response(500, "ERR", "the node gave no page of a SCAN");
    }
    auto& found = elements[1].elements;
    // A wide step that found too many is done again, no wider than the page's rest.
    if (keys_.size() + found.size() > limit_ && !last_) {
      last_ = true;
      return scan(limit_ - keys_.size());
    }
    for (auto& key : found) {
      keys_.push_back(std::move(key.text));
    }
    cursor_ = std::move(elements[0].text);
    last_ = last_ || keys_.size() >= limit_ || cursor_ == "0";
    if (!last_) {
      return scan(kRowsAStep);
    }
    return keys_.empty() || !values_ ? page({}) : read();
  }

 private:
  Step scan(std::size_t count) const {
    return std::vector<Words>{
        at_level({"SCAN", cursor_, "MATCH", pattern_, "COUNT", std::to_string(count)})};
  }

  // One GET a key: keys of several partitions go into no MGET.
  Step read() {
    reading_ = true;
    std::vector<Words> out;
    for (const auto& key : keys_) {
      out.push_back(at_level({"GET", key}));
    }
    return out;
  }

  HttpResponse page(const std::vector<ReplyTree::Taken>& values) const {
    Bytes body = "{\"items\":[";
    const char* comma = "";
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      if (values_ && values[i].reply.is_nil()) {
        continue;  // deleted in between
      }
      body.append(comma).append("{").append(field("key", keys_[i]));
      if (values_) {
        body.append(",").append(value(values[i].reply));
      }
      body.append("}");
      comma = ",";
    }
    body += "],\"cursor\":";
    body += cursor_ == "0" ? "null" : json_text(cursor_);
    return json_response(200, body + "}\n");
  }

  // "name":"text", or "name_base64" where it is no UTF-8.
  static Bytes field(const Bytes& name, const Bytes& bytes) {
    return is_utf8(bytes) ? "\"" + name + "\":" + json_text(bytes)
                          : "\"" + name + "_base64\":\"" + base64(bytes) + "\"";
  }
  static Bytes value(const Reply& reply) {
    if (reply.type != Reply::Type::kArray) {
      return field("value", reply.text);
    }
    Bytes out = "\"siblings\":[";
    for (const auto& one : reply.elements) {
      out += &one == reply.elements.data() ? "{" : ",{";
      out += field("value", one.text) + "}";
    }
    return out + "]";
  }

  Bytes pattern_;
  Bytes cursor_;
  std::size_t limit_;
  bool values_;
  bool last_ = false;     // the step under way ends the page
  bool reading_ = false;  // values, no keys any more
  std::vector<Bytes> keys_;
};

}  // namespace

std::size_t bytes_of(const std::vector<Bytes>& texts) {
  return std::accumulate(texts.begin(), texts.end(), std::size_t{0},
                         [](std::size_t sum, const Bytes& text) { return sum + text.size(); });
}

Bytes prefix_pattern(ByteView prefix) {
  Bytes out;
  for (const char c : prefix) {
    if (ByteView("*?[]^-\\").find(c) != ByteView::npos) {
      out += '\\';
    }
    out += c;
  }
  return out + '*';
}

Routed list_exchange(const HttpRequest& request, const HttpTarget& target) {
  constexpr ByteView kQuery[] = {"prefix", "limit", "cursor", "values"};
  auto ask = parse_ask(request, target, kQuery);
  if (!ask) {
    return error_response(ask.error());
  }
  std::size_t limit = kDefaultLimit;
  if (const auto* text = target.find("limit")) {
    const auto number = parse_number<std::size_t>(*text);
    if (!number || *number == 0 || *number > kMaxLimit) {
      return error_response(400, "ERR", fmt::format("limit is a number from 1 to {}", kMaxLimit));
    }
    limit = *number;
  }
  const auto* cursor = target.find("cursor");
  if (cursor != nullptr && !parse_number<std::uint64_t>(*cursor)) {
    return error_response(Error{ErrorCode::kInvalidCursor, {}});
  }
  const auto* values = target.find("values");
  if (values != nullptr && *values != "true" && *values != "false") {
    return error_response(400, "ERR", "values is true or false");
  }
  const auto* prefix = target.find("prefix");
  return std::make_unique<ListExchange>(std::move(*ask), prefix == nullptr ? Bytes() : *prefix,
                                        cursor == nullptr ? "0" : *cursor, limit,
                                        values == nullptr || *values == "true");
}

}  // namespace kvorum::front
