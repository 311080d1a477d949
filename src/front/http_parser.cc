// Boost 1.81's parser asserts that a last chunk follows another one, and where none does (an empty
// chunked body in pieces) goes on rightly but for the assertion. Others of its includers keep
// theirs: nothing else here includes the parser.
#define BOOST_DISABLE_ASSERTS

#include "front/http_parser.h"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <utility>

namespace kvorum::front {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using ErrorOf = boost::beast::error_code;

// Of a body, what is reserved before it comes; the rest is taken as it does.
constexpr std::uint64_t kReservedBytes = std::uint64_t{64} << 10;

Method method_of(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return Method::kGet;
    case http::verb::head:
      return Method::kHead;
    case http::verb::put:
      return Method::kPut;
    case http::verb::post:
      return Method::kPost;
    case http::verb::delete_:
      return Method::kDelete;
    case http::verb::options:
      return Method::kOptions;
    default:
      return Method::kOther;
  }
}

Field field_of(http::field name, ByteView text) {
  switch (name) {
    case http::field::accept:
      return Field::kAccept;
    case http::field::expect:
      return Field::kExpect;
    case http::field::if_match:
      return Field::kIfMatch;
    case http::field::if_none_match:
      return Field::kIfNoneMatch;
    case http::field::host:
      return Field::kHost;
    case http::field::origin:
      return Field::kOrigin;
    case http::field::access_control_request_method:
      return Field::kPreflightMethod;
    default:
      break;
  }
  constexpr std::pair<ByteView, Field> kOwn[] = {{"kvorum-level", Field::kLevel},
                                                 {"kvorum-keyspace", Field::kKeyspace},
                                                 {"kvorum-session", Field::kSession},
                                                 {"kvorum-context", Field::kContext}};
  for (const auto& [own, field] : kOwn) {
    if (boost::beast::iequals({own.data(), own.size()}, {text.data(), text.size()})) {
      return field;
    }
  }
  return Field::kCount;
}

HttpRefusal refusal_of(const ErrorOf& failed) {
  if (failed == http::error::header_limit) {
    return {431, "the request's header is too large"};
  }
  if (failed == http::error::body_limit) {
    return {413, "the request's body is too large"};
  }
  if (failed == http::error::bad_version) {
    return {400, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
  }
  if (failed == http::error::bad_transfer_encoding) {
    return {400,
            "chunked, once and without a length, is the one transfer coding that is read here"};
  }
  return {400, "that is no HTTP request"};
}

}  // namespace

class HttpParser::Message final : public http::basic_parser<true> {
 public:
  explicit Message(HttpRequest& request) : request_(request) {}

 private:
  using View = boost::beast::string_view;

  static ByteView view(View text) { return {text.data(), text.size()}; }

  void on_request_impl(http::verb verb, View, View target, int version, ErrorOf&) override {
    request_.method = method_of(verb);
    request_.target = view(target);
    request_.http10 = version < 11;
  }
  void on_response_impl(int, View, int, ErrorOf& failed) override {
    failed = http::error::bad_method;
  }
  // A field that comes twice is one, with a comma (RFC 9110, 5.3).
  void on_field_impl(http::field name, View text, View value, ErrorOf& failed) override {
    // What the parser does not know as chunked would pass for a request without a body, and the
    // body for the next request (RFC 9112, 6.3).
    if (name == http::field::transfer_encoding && !boost::beast::iequals(value, "chunked")) {
      failed = http::error::bad_transfer_encoding;
      return;
    }
    // What comes behind a body says nothing about the request (RFC 9110, 6.5.1).
    const auto field = is_header_done() ? Field::kCount : field_of(name, view(text));
    if (field != Field::kCount) {
      auto& kept = request_.fields[static_cast<std::size_t>(field)];
      kept.append(kept.empty() ? "" : ", ").append(view(value));
      request_.blank = value.empty() ? std::optional(field) : request_.blank;
    }
  }
  void on_header_impl(ErrorOf&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>& size, ErrorOf&) override {
    request_.body.reserve(size ? std::min(*size, kReservedBytes) : 0);
  }
  std::size_t on_body_impl(View part, ErrorOf&) override {
    request_.body.append(view(part));
    return part.size();
  }
  void on_chunk_header_impl(std::uint64_t, View, ErrorOf&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, View part, ErrorOf&) override {
    request_.body.append(view(part));
    return part.size();
  }
  void on_finish_impl(ErrorOf&) override {}

  HttpRequest& request_;
};

HttpParser::HttpParser(const HttpLimits& limits) : limits_(limits) {}
HttpParser::~HttpParser() = default;

HttpParser::Status HttpParser::next(ByteView bytes, std::size_t& used) {
  used = 0;
  if (message_ == nullptr) {
    // Empty lines before a request are nothing (RFC 9112, 2.2).
    while (bytes.substr(used).starts_with("\r\n")) {
      used += 2;
    }
    if (bytes.size() == used || bytes.substr(used) == "\r") {
      return Status::kNeedMore;
    }
    request_ = HttpRequest();
    continue_told_ = false;
    message_ = std::make_unique<Message>(request_);
    message_->eager(true);
    message_->header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
    message_->body_limit(limits_.body_bytes);
  }
  while (!message_->is_done()) {
    ErrorOf failed;
    const auto rest = bytes.substr(used);
    const auto count = message_->put(asio::const_buffer(rest.data(), rest.size()), failed);
    used += count;
    // All but a body comes in one piece: a header, which has this bound already, the line before a
    // chunk, what follows the last one.
    const bool more = failed == http::error::need_more || (!failed && count == 0);
    if (more && bytes.size() - used > limits_.header_bytes) {
      failed = http::error::header_limit;
    } else if (more) {
      return Status::kNeedMore;
    }
    if (failed) {
      refusal_ = refusal_of(failed);
      return Status::kRefused;
    }
  }
  request_.keep_alive = message_->keep_alive();
  message_ = nullptr;
  return Status::kRequest;
}

bool HttpParser::within_body() const { return message_ != nullptr && message_->is_header_done(); }

bool HttpParser::take_continue() {
  return within_body() && !request_.http10 && !continue_told_ &&
         boost::beast::iequals(request_.field(Field::kExpect), "100-continue") &&
         std::exchange(continue_told_, true) == false;
}

}  // namespace kvorum::front
