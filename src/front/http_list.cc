// Keys by prefix, page by page: GET /v1/kv.
#include "base/parse.h"
#include "front/http_scan.h"

namespace kvorum::front {
namespace {

using wire::Reply;

constexpr std::size_t kDefaultLimit = 100;
constexpr std::size_t kMaxLimit = 1000;

// SCANs until the page is full, then reads its values. The node's cursor is the page's: good at
// any node, and as long as the keyspace lives.
class ListExchange final : public ScanExchange {
 public:
  ListExchange(Ask ask, ByteView prefix, Bytes cursor, std::size_t limit, bool values)
      : ScanExchange(std::move(ask), prefix),
        cursor_(std::move(cursor)),
        limit_(limit),
        values_(values) {}

  Step begin() override { return scan(cursor_); }

 private:
  Step scanned(Bytes cursor, std::vector<Reply> found) override {
    // A wide step that found too many is done again, no wider than the page's rest.
    if (keys_.size() + found.size() > limit_ && !last_) {
      last_ = true;
      return scan(cursor_, limit_ - keys_.size());
    }
    for (auto& key : found) {
      keys_.push_back(std::move(key.text));
    }
    cursor_ = std::move(cursor);
    last_ = last_ || keys_.size() >= limit_ || cursor_ == "0";
    if (!last_) {
      return scan(cursor_);
    }
    return keys_.empty() || !values_ ? told({}) : read();
  }

  HttpResponse told(const std::vector<ReplyTree::Taken>& values) const override {
    Bytes body = "{\"items\":[";
    const char* comma = "";
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      if (values_ && values[i].reply.is_nil()) {
        continue;  // deleted in between
      }
      body.append(comma).append("{").append(json_field("key", keys_[i]));
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

  static Bytes value(const Reply& reply) {
    return reply.type == Reply::Type::kArray ? json_siblings(reply)
                                             : json_field("value", reply.text);
  }

  Bytes cursor_;
  std::size_t limit_;
  bool values_;
  bool last_ = false;  // the step under way ends the page
};

}  // namespace

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
