// One HTTP request on its way through the node: commands out, replies in, a response at the end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "front/http_parser.h"
#include "front/http_response.h"
#include "front/http_target.h"
#include "front/receipt.h"
#include "front/reply_tree.h"

namespace kvorum::front {

struct Machine {
  NodeId id;
  std::string host;
  std::uint16_t http_port = 0;
};

// What only the process knows, for /metrics.
struct ProcessFigures {
  double cpu_seconds = 0;
  double resident_bytes = 0;
  double open_files = 0;
  double start_seconds = 0;  // since the Unix epoch
};

struct HttpOptions {
  ClusterId cluster;
  NodeId self;
  std::string version;
  std::vector<Machine> machines;     // of the cluster, for `GET /`
  std::vector<std::string> origins;  // of web pages that may use /v1/kv and the older forms
  HttpLimits limits;
  std::size_t value_bytes = std::size_t{16} << 20;
  std::size_t list_bytes = std::size_t{32} << 20;  // that a list may hold until it is told
  Duration head_patience = 10s;                    // for a request's header, from its first byte
  Duration body_patience = 60s;                    // for all of it
  Duration idle_patience = 120s;
  // Bound to a loopback address. Then only requests to its own names are answered, lest a web page
  // whose name was made to stand for this address reads as its own (DNS rebinding).
  bool loopback = false;
  std::function<ByteView()> date;  // Framing::date; empty: no such field
  std::function<ProcessFigures()> process;
};

using Words = std::vector<Bytes>;  // a command for the node

// What comes next: commands whose replies are all awaited, or the end.
using Step = std::variant<std::vector<Words>, HttpResponse>;

// What a request asks of the keyspace and the level, from its query or its fields.
struct Ask {
  Bytes keyspace = "main";
  Bytes level;  // empty: none named
  Bytes session;
  Bytes context;
};

// A write that supersedes what its client has seen, if it says so.
inline Words with_context(const Ask& ask, Words write) {
  if (!ask.context.empty()) {
    write.insert(write.begin(), {"KV.CONTEXT", ask.context});
  }
  return write;
}

class Exchange {
 public:
  explicit Exchange(Ask ask) : ask_(std::move(ask)) {}
  virtual ~Exchange() = default;
  // Its keyspace and session are in force on the connection before it begins.
  const Ask& ask() const { return ask_; }
  // Once, first.
  virtual Step begin() = 0;
  // With the replies to what the last step sent, in order.
  virtual Step answered(std::vector<ReplyTree::Taken> replies) = 0;
  // Where the receipts go that stand behind its replies; null: they are a part of those.
  virtual Receipt* receipt() { return nullptr; }
  // Bytes that it keeps from step to step.
  virtual std::size_t held() const { return 0; }
  // Everything it asks the node, it asks with its first step.
  virtual bool one_step() const { return true; }

 protected:
  // The command at the level asked for.
  Words at_level(Words command) const {
    if (!ask_.level.empty()) {
      command.insert(command.begin(), {"KV.AT", ask_.level});
    }
    return command;
  }

 private:
  Ask ask_;
};

// An exchange, or the response where there is nothing to ask the node.
using Routed = std::variant<std::unique_ptr<Exchange>, HttpResponse>;

struct Route {
  Routed to;
  Bytes origin;  // whose web pages are told that they may see the response; "*": all; empty: none
};

// Takes the request's parts. The options outlive the exchange.
Route route(HttpRequest& request, const HttpOptions& options);

// kGeneric for a name in the query that is neither one of these nor in `others`.
Result<Ask> parse_ask(const HttpRequest& request, const HttpTarget& target,
                      std::span<const ByteView> others);
// /v1/kv/{key} and /v1/kv (http_kv.cc, http_list.cc).
Routed kv_exchange(HttpRequest& request, const HttpTarget& target, const HttpOptions& options);
Routed list_exchange(const HttpRequest& request, const HttpTarget& target);
// "siblings":[{"value":...}, ...] of a GET's array.
Bytes json_siblings(const wire::Reply& values);
// The older system's forms (http_older.cc).
Routed older_exchange(HttpRequest& request, const HttpTarget& target, const HttpOptions& options);
// /v1/status, /metrics, /healthz (http_admin.cc).
Routed admin_exchange(const HttpTarget& target, const HttpOptions& options);

}  // namespace kvorum::front
