// One key: GET, PUT and DELETE of /v1/kv/{key}.
#include <algorithm>

#include "base/parse.h"
#include "front/http_exchange.h"
#include "model/level.h"

namespace kvorum::front {
namespace {

using wire::Reply;

constexpr std::size_t kWords = 6;  // most commands have fewer

// The session's new position. A prefix read may be older than the one that the client came with,
// and takes no place from that.
Bytes position(const Receipt& receipt, const SessionToken& read, const Bytes& before) {
  if (before.empty() || receipt.met() != to_string(Level{.kind = LevelKind::kPrefix})) {
    return to_string(read);
  }
  const auto seen = parse_token(before);
  return seen && (seen->partition != read.partition || seen->index > read.index) ? before
                                                                                 : to_string(read);
}

// Version, receipt, context and the session's new position.
void describe(const Receipt& receipt, ClusterId cluster, const Bytes& session,
              HttpResponse& response) {
  constexpr std::size_t kReservedFields = 384;
  response.fields.reserve(kReservedFields);
  // That of a write which did not happen is no row's, and that of the newest sibling does not say
  // which others there are.
  const bool whole = response.status < 400 && response.status != 300;
  if (whole && !receipt.version().empty()) {
    response.add_field("Kvorum-Version", receipt.version());
    response.add_field("ETag", '"' + receipt.version() + '"');
  }
  response.add_field("Kvorum-Receipt", receipt.text());
  if (!receipt.context().empty()) {
    response.add_field("Kvorum-Context", receipt.context());
  }
  if (receipt.index() && receipt.partition()) {
    const SessionToken token{cluster, PartitionId(static_cast<std::uint32_t>(*receipt.partition())),
                             Index(static_cast<std::uint64_t>(*receipt.index()))};
    response.add_field("Kvorum-Session", position(receipt, token, session));
  }
}

// Of If-Match and If-None-Match: the one tag without its quotes, or "*".
Result<Bytes> parse_tag(ByteView text) {
  if (text == "*") {
    return Bytes(text);
  }
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  const bool one = !text.empty() && text.find_first_of("\", ") == ByteView::npos;
  return one ? Result<Bytes>(Bytes(text))
             : fail(ErrorCode::kGeneric, "one entity tag is understood, or *");
}

class KvExchange final : public Exchange {
 public:
  KvExchange(Ask ask, Method method, Words command, Bytes unless, ClusterId cluster)
      : Exchange(std::move(ask)),
        method_(method),
        command_(std::move(command)),
        unless_(std::move(unless)),
        cluster_(cluster) {}

  Step begin() override {
    command_ = at_level(std::move(command_));
    command_.insert(command_.begin(), "KV.RECEIPT");
    std::vector<Words> out;
    out.push_back(std::move(command_));
    return out;
  }

  Step answered(std::vector<ReplyTree::Taken> replies) override {
    auto& [reply, error] = replies.front();
    auto response = error ? error_response(*error)
                    : !receipt_.came()
                        ? error_response(500, "ERR", "the node gave no receipt", Outcome::kUnknown)
                        : respond(reply.elements.front());
    if (receipt_.came()) {
      describe(receipt_, cluster_, ask().session, response);
    }
    return response;
  }

  Receipt* receipt() override { return &receipt_; }

 private:
  HttpResponse respond(Reply& value) const {
    if (method_ == Method::kPut || method_ == Method::kDelete) {
      const bool refused = value.is_nil() || (value.type == Reply::Type::kInteger &&
                                              value.integer == 0 && !unless_.empty());
      return refused ? error_response(412, "PRECONDITION", "the key has another version")
                     : HttpResponse{204, "", {}, {}};
    }
    if (value.is_nil()) {
      return error_response(404, "NOSUCHKEY", "no such key");
    }
    const bool many = value.type == Reply::Type::kArray;
    if (unless_ == "*" || (!unless_.empty() && !many && unless_ == receipt_.version())) {
      return {304, "", {}, {}};
    }
    if (many) {
      return siblings(value);
    }
    return {200, "application/octet-stream", std::move(value.text), {}};
  }

  // Concurrent writes that nothing has settled: all of them. A PUT with the context of this answer
  // supersedes them.
  static HttpResponse siblings(const Reply& values) {
    return json_response(300, "{" + json_siblings(values) + "}\n");
  }

  Method method_;
  Words command_;
  Bytes unless_;  // If-None-Match of a read; of a write: the condition that it has
  ClusterId cluster_;
  Receipt receipt_;
};

struct Conditions {
  Bytes match;
  Bytes none_match;
};

Result<Conditions> parse_conditions(const HttpRequest& request) {
  Conditions out;
  const auto& match = request.field(Field::kIfMatch);
  const auto& none_match = request.field(Field::kIfNoneMatch);
  if (!match.empty()) {
    auto tag = parse_tag(match);
    if (!tag) {
      return tl::unexpected(tag.error());
    }
    out.match = std::move(*tag);
  }
  if (!none_match.empty()) {
    auto tag = parse_tag(none_match);
    if (!tag) {
      return tl::unexpected(tag.error());
    }
    out.none_match = std::move(*tag);
  }
  return out;
}

// The words before and behind a write that make it conditional.
Result<void> add_conditions(const HttpRequest& request, const Conditions& conditions,
                            Words& command) {
  const bool put = request.method == Method::kPut;
  if (!conditions.none_match.empty()) {
    if (!put || conditions.none_match != "*" || !conditions.match.empty()) {
      return fail(ErrorCode::kGeneric, "a write knows If-None-Match: * of a PUT alone");
    }
    command.emplace_back("NX");
  } else if (conditions.match == "*" && put) {
    command.emplace_back("XX");
  } else if (!conditions.match.empty()) {
    // KV.IF takes 0 for a key that is not there, which has no tag.
    if (parse_number<std::uint64_t>(conditions.match).value_or(0) == 0) {
      return fail(ErrorCode::kGeneric,
                  "If-Match names one version of an ordered keyspace, or * for a PUT; leaderless "
                  "keyspaces have no conditional writes");
    }
    command.insert(command.begin(), {"KV.IF", conditions.match});
  }
  return {};
}

Result<Words> write_command(HttpRequest& request, const HttpTarget& target, const Ask& ask,
                            Bytes key, const Conditions& conditions) {
  const bool put = request.method == Method::kPut;
  Words command;
  command.reserve(kWords);
  command.emplace_back(put ? "SET" : "DEL");
  command.push_back(std::move(key));
  if (put) {
    command.push_back(std::move(request.body));
    if (const auto* ttl = target.find("ttl_ms")) {
      command.insert(command.end(), {"PX", *ttl});
    }
  }
  if (auto added = add_conditions(request, conditions, command); !added) {
    return tl::unexpected(added.error());
  }
  return with_context(ask, std::move(command));
}

}  // namespace

Bytes json_siblings(const Reply& values) {
  Bytes out = "\"siblings\":[";
  for (const auto& value : values.elements) {
    out += &value == values.elements.data() ? "{" : ",{";
    out += json_field("value", value.text) + "}";
  }
  return out + "]";
}

Routed kv_exchange(HttpRequest& request, const HttpTarget& target, const HttpOptions& options) {
  constexpr ByteView kPath = "/v1/kv/";
  auto key = percent_decode(ByteView(target.path).substr(kPath.size()), false);
  if (!key) {
    return error_response(400, "ERR", "bad percent-encoding in the key");
  }
  if (key->empty()) {
    return error_response(400, "ERR", "the path lacks the key: /v1/kv/{key}");
  }
  const bool put = request.method == Method::kPut;
  const bool write = put || request.method == Method::kDelete;
  constexpr ByteView kPutQuery[] = {"ttl_ms"};
  auto ask = parse_ask(request, target,
                       put ? std::span<const ByteView>(kPutQuery) : std::span<ByteView>());
  if (!ask) {
    return error_response(ask.error());
  }
  if (request.body.size() > options.value_bytes) {
    return error_response(413, "ERR", "the value is too large");
  }
  if (!put && !request.body.empty()) {
    return error_response(400, "ERR", "only a PUT has a body here");
  }
  const auto conditions = parse_conditions(request);
  if (!conditions) {
    return error_response(conditions.error());
  }
  Words command;
  if (write) {
    auto written = write_command(request, target, *ask, std::move(*key), *conditions);
    if (!written) {
      return error_response(written.error());
    }
    command = std::move(*written);
  } else if (!conditions->match.empty()) {
    return error_response(400, "ERR", "If-Match goes with PUT and DELETE");
  } else {
    command.reserve(kWords);
    command.emplace_back("GET");
    command.push_back(std::move(*key));
  }
  auto unless = write ? conditions->match + conditions->none_match : conditions->none_match;
  return std::make_unique<KvExchange>(std::move(*ask), request.method, std::move(command),
                                      std::move(unless), options.cluster);
}

}  // namespace kvorum::front
