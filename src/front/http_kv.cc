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
void describe(const Receipt& receipt, Method method, ClusterId cluster, const Bytes& session,
              HttpResponse& response) {
  constexpr std::size_t kReservedFields = 384;
  response.fields.reserve(kReservedFields);
  // That of a write which did not happen, or of a DELETE, is no row's, and that of the newest
  // sibling does not say which others there are.
  const bool whole = response.status < 400 && response.status != 300 && method != Method::kDelete;
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

using Tags = std::vector<Bytes>;

// Of If-Match and If-None-Match (RFC 9110, 13.1): tags without their quotes, or "*". The latter
// takes weak ones for what they were made of.
Result<Tags> parse_tags(ByteView text, bool may_be_weak) {
  Tags tags;
  while (!text.empty()) {
    const auto end = std::min(text.find(','), text.size());
    auto tag = text.substr(0, end);
    text = text.substr(std::min(end + 1, text.size()));
    tag = tag.substr(std::min(tag.find_first_not_of(" \t"), tag.size()));
    tag = tag.substr(0, tag.find_last_not_of(" \t") + 1);
    tag = tag.substr(may_be_weak && tag.starts_with("W/\"") ? 2 : 0);
    if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') {
      tag = tag.substr(1, tag.size() - 2);
    }
    if (tag.empty() || tag.find_first_of("\" ") != ByteView::npos) {
      return fail(ErrorCode::kGeneric, "that is no entity tag, nor *");
    }
    tags.emplace_back(tag);
  }
  return tags;
}

bool has(const Tags& tags, ByteView tag) {
  return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

class KvExchange final : public Exchange {
 public:
  KvExchange(Ask ask, Method method, Words command, Tags tags, ClusterId cluster)
      : Exchange(std::move(ask)),
        method_(method),
        command_(std::move(command)),
        tags_(std::move(tags)),
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
      describe(receipt_, method_, cluster_, ask().session, response);
    }
    return response;
  }

  Receipt* receipt() override { return &receipt_; }

 private:
  HttpResponse respond(Reply& value) const {
    if (method_ == Method::kPut || method_ == Method::kDelete) {
      const bool refused = value.is_nil() || (value.type == Reply::Type::kInteger &&
                                              value.integer == 0 && !tags_.empty());
      return refused ? error_response(412, "PRECONDITION", "the key has another version")
                     : HttpResponse{204, "", {}, {}};
    }
    if (value.is_nil()) {
      return error_response(404, "NOSUCHKEY", "no such key");
    }
    const bool many = value.type == Reply::Type::kArray;
    if (!many && (has(tags_, "*") || has(tags_, receipt_.version()))) {
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
  Tags tags_;  // If-None-Match of a read; of a write: the condition that it has
  ClusterId cluster_;
  Receipt receipt_;
};

struct Conditions {
  Tags match;
  Tags none_match;
};

Result<Conditions> parse_conditions(const HttpRequest& request) {
  auto match = parse_tags(request.field(Field::kIfMatch), false);
  auto none_match = parse_tags(request.field(Field::kIfNoneMatch), true);
  if (!match || !none_match) {
    return tl::unexpected(match ? none_match.error() : match.error());
  }
  return Conditions{std::move(*match), std::move(*none_match)};
}

// The words before and behind a write that make it conditional.
Result<void> add_conditions(const HttpRequest& request, const Conditions& conditions,
                            Words& command) {
  const bool put = request.method == Method::kPut;
  if (!conditions.none_match.empty()) {
    if (!put || conditions.none_match != Tags{"*"} || !conditions.match.empty()) {
      return fail(ErrorCode::kGeneric, "a write knows If-None-Match: * of a PUT alone");
    }
    command.emplace_back("NX");
  } else if (conditions.match == Tags{"*"} && put) {
    command.emplace_back("XX");
  } else if (!conditions.match.empty()) {
    // KV.IF takes 0 for a key that is not there, which has no tag.
    if (conditions.match.size() > 1 ||
        parse_number<std::uint64_t>(conditions.match.front()).value_or(0) == 0) {
      return fail(ErrorCode::kGeneric,
                  "If-Match names one version of an ordered keyspace, or * for a PUT; leaderless "
                  "keyspaces have no conditional writes");
    }
    command.insert(command.begin(), {"KV.IF", conditions.match.front()});
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
  auto tags = conditions->match.empty() ? conditions->none_match : conditions->match;
  return std::make_unique<KvExchange>(std::move(*ask), request.method, std::move(command),
                                      std::move(tags), options.cluster);
}

}  // namespace kvorum::front
