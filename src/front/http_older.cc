// The forms of an older system, which a quiz website is written against (docs/older-systems.md):
// PUT /put, GET or POST /get and /get-prefix, DELETE /delete.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "front/http_scan.h"

namespace kvorum::front {
namespace {

using nlohmann::json;
using wire::Reply;

constexpr std::size_t kMaxPairs = 10'000;  // of one /get-prefix
constexpr int kMaxDepth = 64;  // of a JSON body: writing it out again takes stack for each
constexpr std::size_t kMaxParts = 10'000;  // of it, so that reading it holds nobody up
constexpr std::size_t kMaxKeyBody = std::size_t{1} << 20;  // of a request that has no value

// One command, and what its reply becomes.
class OlderExchange final : public Exchange {
 public:
  enum class Kind : std::uint8_t { kPut, kGet, kDelete };

  OlderExchange(Ask ask, Kind kind, Words command)
      : Exchange(std::move(ask)), kind_(kind), command_(std::move(command)) {}

  Step begin() override { return std::vector<Words>{at_level(std::move(command_))}; }

  Step answered(std::vector<ReplyTree::Taken> replies) override {
    const auto& [reply, error] = replies.front();
    if (error) {
      return error_response(*error);
    }
    switch (kind_) {
      case Kind::kPut:
        return text_response(200, "Thank you, it is stored.\n");
      case Kind::kDelete:
        return text_response(200, "deleted\n");
      case Kind::kGet:
        break;
    }
    if (reply.is_nil() || (reply.type == Reply::Type::kArray && reply.elements.empty())) {
      return error_response(404, "NOSUCHKEY", "no such key");
    }
    // Of siblings the newest, which is the first.
    const auto& value = reply.type == Reply::Type::kArray ? reply.elements[0] : reply;
    return text_response(200, value.text);
  }

 private:
  Kind kind_;
  Words command_;
};

// All pairs whose keys begin with the same parts, parts ending at colons.
class PrefixExchange final : public ScanExchange {
 public:
  PrefixExchange(Ask ask, Bytes prefix)
      : ScanExchange(std::move(ask), prefix), prefix_(std::move(prefix)) {}

  Step begin() override { return scan("0"); }

 private:
  Step scanned(Bytes cursor, std::vector<Reply> found) override {
    for (auto& key : found) {
      if (key.text == prefix_ || key.text.starts_with(prefix_ + ':')) {
        keys_.push_back(std::move(key.text));
      }
    }
    if (keys_.size() > kMaxPairs) {
      return error_response(
          400, "ERR",
          fmt::format("more than {} pairs: walk over them with /v1/kv?prefix=", kMaxPairs));
    }
    if (cursor != "0") {
      return scan(cursor);
    }
    // A SCAN may tell a key twice.
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
    return keys_.empty() ? Step(nothing()) : read();
  }

  HttpResponse told(const std::vector<ReplyTree::Taken>& values) const override {
    Bytes body = "{";
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      const auto& reply = values[i].reply;
      const auto* value = reply.type == Reply::Type::kArray && !reply.elements.empty()
                              ? &reply.elements[0]
                              : &reply;
      if (!value->is_nil()) {
        body.append(body.size() > 1 ? "," : "").append(json_text(keys_[i])).append(":");
        body.append(json_text(value->text));
      }
    }
    return body.size() == 1 ? nothing() : json_response(200, body + "}\n");
  }

  static HttpResponse nothing() {
    return error_response(404, "NOSUCHKEY", "no key begins with these parts");
  }

  Bytes prefix_;
};

// Ends at the first part too many: none of the rest is read.
class PartCounter final : public nlohmann::json_sax<json> {
 public:
  bool null() override { return part(); }
  bool boolean(bool) override { return part(); }
  bool number_integer(number_integer_t) override { return part(); }
  bool number_unsigned(number_unsigned_t) override { return part(); }
  bool number_float(number_float_t, const string_t&) override { return part(); }
  bool string(string_t&) override { return part(); }
  bool binary(binary_t&) override { return part(); }
  bool key(string_t&) override { return true; }
  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool part() { return ++parts_ <= kMaxParts; }
  bool open() { return ++depth_ <= kMaxDepth && part(); }
  bool close() {
    --depth_;
    return true;
  }

  std::size_t parts_ = 0;
  int depth_ = 0;
};

// Null: that is no JSON object, or one too large.
json parse_body(ByteView text) {
  PartCounter counter;
  if (!json::sax_parse(text, &counter)) {
    return {};
  }
  auto body = json::parse(text, nullptr, false);
  return body.is_object() ? body : json();
}

// A field of a JSON body: a string as it is, anything else as it is written.
std::optional<Bytes> text_of(const json& body, const char* name) {
  const auto at = body.find(name);
  if (at == body.end() || at->is_null()) {
    return std::nullopt;
  }
  return at->is_string() ? at->get<Bytes>()
                         : at->dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

Routed older_exchange(HttpRequest& request, const HttpTarget& target, const HttpOptions& options) {
  constexpr ByteView kQuery[] = {"key"};
  auto ask = parse_ask(request, target, kQuery);
  if (!ask) {
    return error_response(ask.error());
  }
  auto body = json::object();
  if (target.path != "/put" && request.body.size() > kMaxKeyBody) {
    return error_response(413, "ERR", "only a PUT has a value here");
  }
  if (!request.body.empty()) {
    body = parse_body(request.body);
    if (body.is_null()) {
      return error_response(400, "ERR",
                            fmt::format("the body is no JSON object of at most {} parts, {} deep",
                                        kMaxParts, kMaxDepth));
    }
  }
  auto key = text_of(body, "key");
  if (const auto* asked = target.find("key"); asked != nullptr && !key) {
    key = *asked;
  }
  const bool reads = target.path == "/get" || target.path == "/get-prefix";
  if (!key || key->empty()) {
    return error_response(reads ? 404 : 400, "ERR", "no key is given");
  }
  const bool conditional =
      !request.field(Field::kIfMatch).empty() || !request.field(Field::kIfNoneMatch).empty();
  if (!reads && conditional) {
    return error_response(400, "ERR", "the older forms have no conditions: see /v1/kv");
  }
  using Kind = OlderExchange::Kind;
  if (target.path == "/get-prefix") {
    return std::make_unique<PrefixExchange>(std::move(*ask), std::move(*key));
  }
  if (target.path == "/get") {
    return std::make_unique<OlderExchange>(std::move(*ask), Kind::kGet,
                                           Words{"GET", std::move(*key)});
  }
  if (target.path == "/delete") {
    auto command = with_context(*ask, {"DEL", std::move(*key)});
    return std::make_unique<OlderExchange>(std::move(*ask), Kind::kDelete, std::move(command));
  }
  auto value = text_of(body, "value");
  if (!value) {
    return error_response(400, "ERR", "no value is given");
  }
  if (value->size() > options.value_bytes) {
    return error_response(413, "ERR", "the value is too large");
  }
  auto command = with_context(*ask, {"SET", std::move(*key), std::move(*value)});
  return std::make_unique<OlderExchange>(std::move(*ask), Kind::kPut, std::move(command));
}

}  // namespace kvorum::front
