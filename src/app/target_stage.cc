#include "app/target_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <thread>
#include <utility>

#include "app/cluster_run.h"
#include "app/endpoint.h"
#include "lab/play.h"

namespace kvorum::app {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint16_t kRedisPort = 6379;
constexpr Duration kPatience = 30s;
constexpr auto kTurn = 20ms;

using Type = wire::Reply::Type;

// Why a target can't do it; empty: it can.
std::string refusal(const lab::Scenario& scenario, const lab::FaultAction& action) {
  if (action.verb == lab::FaultVerb::kKill) {
    return scenario.repeat > 1 ? "with --target what is killed stays so: use --repeat 1" : "";
  }
  if (action.verb != lab::FaultVerb::kLinks) {
    return fmt::format("'{}' can't be done with --target", to_string(action.verb));
  }
  const auto command = lab::parse_links(scenario, action.words);
  if (!command) {
    return command.error().detail;
  }
  const bool breaks = command->verb == FaultCommand::Verb::kRule;
  const bool plain = command->kind == FaultKind::kCut || command->kind == FaultKind::kHold;
  if (breaks && (!plain || command->oneway || command->lasts > Duration())) {
    return fmt::format("'{}' can't be done with --target: only whole links, until healed",
                       action.words);
  }
  return {};
}

// All that a target can't do is found before anything is asked of it.
Result<void> check(const lab::Scenario& scenario, const Target& target) {
  if (target.endpoints.size() != scenario.nodes) {
    return fail(ErrorCode::kConfig, "the scenario has {} nodes, and --target names {}",
                scenario.nodes, target.endpoints.size());
  }
  if (target.wait >= scenario.nodes) {
    return fail(ErrorCode::kConfig, "--wait {}: there are {} replicas", target.wait,
                scenario.nodes - 1);
  }
  if (!scenario.delays.empty()) {
    return fail(ErrorCode::kConfig, "delays can't be had with --target");
  }
  std::vector<lab::FaultAction> actions;
  for (const auto& fault : scenario.faults) {
    actions.push_back(fault.action);
  }
  for (const auto& client : scenario.clients) {
    for (const auto& step : client.steps) {
      if (const auto* action = std::get_if<lab::FaultAction>(&step)) {
        actions.push_back(*action);
      }
    }
  }
  for (const auto& action : actions) {
    if (auto text = refusal(scenario, action); !text.empty()) {
      return fail(ErrorCode::kConfig, "{}", text);
    }
  }
  return {};
}

wire::Reply integer(std::int64_t value) {
  wire::Reply reply;
  reply.type = Type::kInteger;
  reply.integer = value;
  return reply;
}

wire::Reply bulk(std::string text) {
  wire::Reply reply;
  reply.type = Type::kBulk;
  reply.text = std::move(text);
  return reply;
}

wire::Reply array(std::vector<wire::Reply> elements) {
  wire::Reply reply;
  reply.type = Type::kArray;
  reply.elements = std::move(elements);
  return reply;
}

}  // namespace

Result<std::vector<client::Endpoint>> parse_target(const std::string& url) {
  constexpr std::string_view kScheme = "redis://";
  if (!url.starts_with(kScheme)) {
    return fail(ErrorCode::kConfig, "--target {}: it must be redis://host:port,host:port,...", url);
  }
  const auto list = std::string_view(url).substr(kScheme.size());
  std::vector<client::Endpoint> endpoints;
  for (std::size_t at = 0; at <= list.size();) {
    const auto end = std::min(list.find(',', at), list.size());
    const auto endpoint = parse_endpoint(list.substr(at, end - at), kRedisPort, "--target " + url);
    if (!endpoint) {
      return tl::unexpected(endpoint.error());
    }
    if (std::find(endpoints.begin(), endpoints.end(), *endpoint) != endpoints.end()) {
      return fail(ErrorCode::kConfig, "--target {}: {} is there twice", url, to_string(*endpoint));
    }
    endpoints.push_back(*endpoint);
    at = end + 1;
  }
  return endpoints;
}

TargetStage::TargetStage(const Target& target)
    : endpoints_(target.endpoints), dialect_(target.wait, target.replica_reads) {
  for (const auto& endpoint : endpoints_) {
    const auto follows = nodes_.empty() ? NodeId() : master_;
    nodes_.push_back({client::Client({.endpoints = {endpoint}}), true, follows});
  }
}

Result<std::unique_ptr<TargetStage>> TargetStage::open(const lab::Scenario& scenario,
                                                       const Target& target) {
  if (auto fits = check(scenario, target); !fits) {
    return tl::unexpected(std::move(fits.error()));
  }
  std::unique_ptr<TargetStage> stage(new TargetStage(target));
  if (auto ready = stage->look(); !ready) {
    return fail(ready.error().code, "--target: {}", ready.error().detail);
  }
  stage->ours_ = true;
  return stage;
}

TargetStage::~TargetStage() {
  if (ours_) {  // as well as it goes
    broken_.clear();
    arrange();
    ask_node(master_, {"FLUSHDB"}, client::Repeat::kNever);
  }
}

// A master, replicas that follow it, and nothing in them.
Result<void> TargetStage::look() {
  for (const auto id : running()) {
    if (const auto pong = ask_node(id, {"PING"}, client::Repeat::kHarmless); !pong) {
      return tl::unexpected(pong.error());
    }
  }
  const auto role = ask_node(master_, {"ROLE"}, client::Repeat::kHarmless);
  if (!role || role->elements.empty() || role->elements[0].text != "master") {
    return fail(ErrorCode::kGeneric, "{} is no master; it must be named first",
                to_string(endpoints_.front()));
  }
  const auto size = ask_node(master_, {"DBSIZE"}, client::Repeat::kHarmless);
  if (!size || size->integer != 0) {
    return fail(ErrorCode::kGeneric, "{} holds keys; a scenario is played on an empty one",
                to_string(endpoints_.front()));
  }
  for (const auto id : running()) {
    if (auto ready = id == master_ ? Result<void>() : await_replica(id); !ready) {
      return ready;
    }
  }
  return clear();  // a replica may be connected for a second before it is sent what is written
}

Result<void> TargetStage::await_replica(NodeId id) {
  const auto name = to_string(endpoints_[id.value() - 1]);
  const auto follows = [&]() -> Result<bool> {
    const auto role = ask_node(id, {"ROLE"}, client::Repeat::kHarmless);
    if (!role) {
      return tl::unexpected(role.error());
    }
    if (role->elements.size() < 4) {
      return fail(ErrorCode::kGeneric, "{} is no replica", name);
    }
    return role->elements[3].text == "connected";
  };
  return await(follows, name + " to follow its master");
}

Result<wire::Reply> TargetStage::ask_node(NodeId id, const std::vector<std::string>& words,
                                          client::Repeat repeat) {
  const std::vector<ByteView> views(words.begin(), words.end());
  auto reply = node(id).client.call(views, repeat);
  if (reply && reply->is_error()) {
    return fail(ErrorCode::kGeneric, "{} at {}: {}", words.front(),
                to_string(endpoints_[id.value() - 1]), reply->text);
  }
  return reply;
}

std::vector<NodeId> TargetStage::running() const {
  std::vector<NodeId> ids;
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].runs) {
      ids.emplace_back(i + 1);
    }
  }
  return ids;
}

Result<void> TargetStage::await(const std::function<Result<bool>()>& condition,
                                const std::string& what) {
  const auto deadline = Clock::now() + kPatience;
  while (true) {
    const auto holds = condition();
    if (!holds || *holds) {
      return holds ? Result<void>() : tl::unexpected(holds.error());
    }
    if (interrupted()) {
      return fail(ErrorCode::kGeneric, "interrupted");
    }
    if (Clock::now() >= deadline) {
      return fail(ErrorCode::kTimeout, "waited too long for {}", what);
    }
    std::this_thread::sleep_for(kTurn);
  }
}

bool TargetStage::interrupted() {
  interrupted_ = interrupted_ || held_signal(Duration()) != 0;
  return interrupted_;
}

Result<void> TargetStage::act(lab::FaultVerb verb, NodeId id) {
  if (verb != lab::FaultVerb::kKill) {
    return fail(ErrorCode::kGeneric, "'{}' can't be done with --target", lab::to_string(verb));
  }
  return node(id).runs ? kill(id) : Result<void>();
}

Result<void> TargetStage::kill(NodeId id) {
  // NOW: a crash does not wait until replicas have caught up. Redis before 7.0 never waits, and
  // does not know the word.
  auto reply = ask_node(id, {"SHUTDOWN", "NOSAVE", "NOW"}, client::Repeat::kNever);
  if (!reply && reply.error().code == ErrorCode::kGeneric) {
    reply = ask_node(id, {"SHUTDOWN", "NOSAVE"}, client::Repeat::kNever);
  }
  if (reply || reply.error().code == ErrorCode::kGeneric) {  // whoever dies does not answer
    return fail(ErrorCode::kGeneric, "{} does not shut down: {}",
                to_string(endpoints_[id.value() - 1]), reply ? reply->text : reply.error().detail);
  }
  node(id).runs = false;
  const auto up = running();
  if (id == master_ && !up.empty()) {
    const auto next = std::find_if(up.begin(), up.end(), [id](NodeId one) { return one > id; });
    master_ = next == up.end() ? up.front() : *next;
  }
  return arrange();
}

// Every node follows the master, unless their link is broken.
Result<void> TargetStage::arrange() {
  auto order = running();
  std::stable_partition(order.begin(), order.end(), [&](NodeId id) { return id == master_; });
  for (const auto id : order) {
    const bool cut = std::any_of(broken_.begin(), broken_.end(), [&](const auto& link) {
      return std::get<1>(link) == std::min(id, master_) &&
             std::get<2>(link) == std::max(id, master_);
    });
    const auto wanted = id == master_ || cut ? NodeId() : master_;
    if (node(id).follows != wanted) {
      if (auto done = follow(id, wanted); !done) {
        return done;
      }
    }
  }
  return {};
}

Result<void> TargetStage::follow(NodeId id, NodeId master) {
  std::vector<std::string> words = {"REPLICAOF", "NO", "ONE"};
  if (master) {
    const auto& endpoint = endpoints_[master.value() - 1];
    words = {"REPLICAOF", endpoint.host, fmt::to_string(endpoint.port)};
  }
  if (const auto reply = ask_node(id, words, client::Repeat::kHarmless); !reply) {
    return tl::unexpected(reply.error());
  }
  node(id).follows = master;
  return {};
}

Result<void> TargetStage::put_links(const FaultCommand& command, const std::string& /*words*/) {
  using Verb = FaultCommand::Verb;
  const bool releases = command.verb == Verb::kRelease;
  if (releases || command.verb == Verb::kHeal) {
    std::erase_if(broken_, [&](const auto& link) {
      return command.covers(std::get<1>(link), std::get<2>(link)) &&
             (!releases || std::get<0>(link) == FaultKind::kHold);
    });
  }
  const NodeId end(static_cast<std::uint32_t>(nodes_.size()) + 1);
  for (NodeId low(1); command.verb == Verb::kRule && low < end; low = low.next()) {
    for (auto high = low.next(); high < end; high = high.next()) {
      if (command.covers(low, high)) {
        broken_.emplace(command.kind, low, high);
      }
    }
  }
  return arrange();
}

Result<wire::Reply> TargetStage::search(const std::string& key) {
  std::vector<wire::Reply> copies;
  for (const auto id : running()) {
    const auto held = ask_node(id, {"GET", key}, client::Repeat::kHarmless);
    std::vector<wire::Reply> copy = {integer(id.value())};
    if (!held) {
      copy.push_back(bulk(held.error().detail));
    } else if (!held->is_nil()) {
      copy.push_back(array({bulk(held->text), integer(0), wire::Reply()}));
    }
    copies.push_back(array(std::move(copy)));
  }
  return array(std::move(copies));
}

Result<void> TargetStage::clear() {
  if (const auto reply = ask_node(master_, {"FLUSHDB"}, client::Repeat::kNever); !reply) {
    return tl::unexpected(reply.error());
  }
  const auto replicas = static_cast<std::int64_t>(running().size()) - 1;
  const auto patience = fmt::to_string(kTurn.count());
  const auto heard = [&]() -> Result<bool> {
    const auto count =
        ask_node(master_, {"WAIT", fmt::to_string(replicas), patience}, client::Repeat::kHarmless);
    return count ? Result<bool>(count->integer >= replicas) : tl::unexpected(count.error());
  };
  return await(heard, "the replicas to hear of their master");
}

}  // namespace kvorum::app
