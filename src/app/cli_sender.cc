#include "app/cli_sender.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "app/cli_words.h"
#include "node/command_table.h"
#include "wire/resp.h"

namespace kvorum::app {
namespace {

// Well below the 10 minutes after which the nodes forget an idle id.
constexpr auto kIdleId = std::chrono::minutes(5);

constexpr ByteView kOpen[] = {"KV.ONCE", "OPEN"};

}  // namespace

CliSender::~CliSender() {
  if (core_ == Core::kOrdered) {
    const ByteView close[] = {"KV.ONCE", "CLOSE", id_};
    client_.part_with(close);
  }
}

Result<wire::Reply> CliSender::send(std::span<const ByteView> args) {
  if (is_key_write(args)) {
    std::optional<wire::Reply> refused;
    const auto leaderless = is_leaderless(refused);
    if (!leaderless) {
      return tl::unexpected(leaderless.error());
    }
    if (refused) {
      return std::move(*refused);
    }
    return *leaderless ? call(args, client::Repeat::kNever, true) : send_numbered(args);
  }
  const auto repeat = is_numbered(args)     ? client::Repeat::kNumbered
                      : is_repeatable(args) ? client::Repeat::kHarmless
                                            : client::Repeat::kNever;
  auto reply = call(args, repeat, true);
  if (reply && !reply->is_error()) {
    remember_settings(args);
  }
  return reply;
}

// A leaderless keyspace has no request ids, and says so: one question settles both.
Result<bool> CliSender::is_leaderless(std::optional<wire::Reply>& refused) {
  const auto now = std::chrono::steady_clock::now();
  if (core_ == Core::kLeaderless || (core_ == Core::kOrdered && now - id_used_ < kIdleId)) {
    return core_ == Core::kLeaderless;
  }
  auto reply = call(kOpen, client::Repeat::kHarmless, false);
  if (!reply) {
    return tl::unexpected(reply.error());
  }
  if (!reply->is_error()) {
    core_ = Core::kOrdered;
    id_ = std::to_string(reply->integer);
    seq_ = 0;
    id_used_ = now;
  } else if (reply->text.starts_with("REFUSED")) {
    core_ = Core::kLeaderless;
  } else {
    if (reply->text.starts_with("UNKNOWN")) {  // whether there is an id now; the write was not sent
      reply->text = "TIMEOUT no request id was to be had; nothing was done";
    }
    refused = std::move(*reply);
  }
  return core_ == Core::kLeaderless;
}

Result<wire::Reply> CliSender::send_numbered(std::span<const ByteView> args) {
  const auto seq = std::to_string(++seq_);
  id_used_ = std::chrono::steady_clock::now();
  auto reply = call(numbered(args, id_, seq), client::Repeat::kNumbered, true);
  // The id may be one that the nodes do not know any more.
  const bool unknown = reply ? reply->is_error() && reply->text.starts_with("UNKNOWN")
                             : reply.error().code == ErrorCode::kUnknown;
  if (unknown) {
    core_ = Core::kUnknown;
  }
  return reply;
}

Result<wire::Reply> CliSender::call(std::span<const ByteView> args, client::Repeat repeat,
                                    bool is_users) {
  const auto connections = client_.connections();
  const auto before = client_.endpoint();
  auto reply = client_.call(args, repeat);
  tell_move(connections, before, is_users && client_.repeated());
  return reply;
}

// A new connection starts at the default level: what was set on the old one is set again.
void CliSender::remember_settings(std::span<const ByteView> args) {
  const auto* spec = node::find_command(args[0]);
  if (spec == nullptr) {
    return;
  }
  if (spec->verb == node::Verb::kReset) {
    select_.clear();
    levels_.clear();
    core_ = Core::kUnknown;
  } else if (spec->verb == node::Verb::kSelect) {
    select_.clear();
    wire::append_request(args, select_);
    core_ = Core::kUnknown;
  } else if (spec->verb == node::Verb::kKvLevel && args.size() > 1) {
    Bytes request;
    wire::append_request(args, request);
    std::erase(levels_, request);
    levels_.push_back(std::move(request));
  } else {
    return;
  }
  auto prelude = levels_;
  if (!select_.empty()) {
    prelude.insert(prelude.begin(), select_);
  }
  client_.set_prelude(std::move(prelude));
}

void CliSender::tell_move(std::size_t connections_before, const client::Endpoint& before,
                          bool repeated) {
  const bool moved = !(client_.endpoint() == before);
  if (client_.connections() == connections_before || (connections_before == 0 && !moved)) {
    return;
  }
  const auto* tail = repeated ? "; the command was repeated" : "";
  if (moved) {
    say_(fmt::format("({} is gone; on {} now{})", name(before), name(client_.endpoint()), tail));
  } else {
    say_(fmt::format("(connected again to {}{})", name(before), tail));
  }
}

std::string CliSender::name(const client::Endpoint& endpoint) const {
  const auto at = std::find(endpoints_.begin(), endpoints_.end(), endpoint) - endpoints_.begin();
  return static_cast<std::size_t>(at) < node_ids_.size()
             ? fmt::format("node {}", node_ids_[static_cast<std::size_t>(at)])
             : to_string(endpoint);
}

}  // namespace kvorum::app
