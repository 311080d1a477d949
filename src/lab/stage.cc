#include "lab/stage.h"

#include <fmt/format.h>

#include "base/parse.h"
#include "client/status.h"
#include "lab/nearest.h"

namespace kvorum::lab {

Result<wire::Reply> Stage::ask(const std::vector<std::string>& words, client::Repeat repeat) {
  client::Client client({.endpoints = endpoints()});
  const std::vector<ByteView> views(words.begin(), words.end());
  auto reply = client.call(views, repeat);
  if (reply && reply->is_error()) {
    return fail(ErrorCode::kGeneric, "{}: {}", fmt::join(words, " "), reply->text);
  }
  return reply;
}

std::optional<NodeId> Stage::leader() {
  const auto status = ask({"KV.STATUS"}, client::Repeat::kHarmless);
  const auto id = status ? parse_number<std::uint32_t>(client::status_word(status->text, "leader"))
                         : std::nullopt;
  return id && *id > 0 ? std::optional(NodeId(*id)) : std::nullopt;
}

Result<void> Stage::put_links(const FaultCommand& /*command*/, const std::string& words) {
  auto command = split_words(words);
  command.insert(command.begin(), "KV.FAULT");
  if (auto reply = ask(command, client::Repeat::kHarmless);
      !reply) {  // a rule put twice is one rule
    return tl::unexpected(std::move(reply.error()));
  }
  return {};
}

Result<wire::Reply> Stage::search(const std::string& key) {
  return ask({"KV.SEARCH", key}, client::Repeat::kHarmless);
}

Result<void> Stage::clear() {
  if (auto reply = ask({"FLUSHDB"}, client::Repeat::kNever); !reply) {
    return tl::unexpected(std::move(reply.error()));
  }
  return {};
}

}  // namespace kvorum::lab
