// What operators and their programs look at: /v1/status, /metrics, /healthz.
#include <fmt/format.h>

#include <algorithm>

#include "front/http_exchange.h"
#include "front/metrics.h"

namespace kvorum::front {
namespace {

// KV.STATUS's lines of key:value words as JSON.
class StatusText {
 public:
  // "" for the first line, which is the node's own; "partition", "leaderless", "peer".
  static std::string json(ByteView status) {
    std::string node, leaderless = "{}", partitions, peers;
    for (bool first = true; !status.empty(); first = false) {
      const auto end = status.find('\n');
      auto line = status.substr(0, end);
      status = end == ByteView::npos ? ByteView() : status.substr(end + 1);
      constexpr ByteView kLeaderless = "leaderless: ";
      if (first) {
        node = object(line);
      } else if (line.starts_with(kLeaderless)) {
        leaderless = object(line.substr(kLeaderless.size()));
      } else if (line.starts_with("partition:")) {
        partitions.append(partitions.empty() ? "" : ",").append(object(line));
      } else if (line.starts_with("peer:")) {
        peers.append(peers.empty() ? "" : ",").append(object(line));
      }
    }
    return fmt::format(R"({{"node":{},"partitions":[{}],"leaderless":{},"peers":[{}]}})", node,
                       partitions, leaderless, peers) +
           "\n";
  }

 private:
  static std::string object(ByteView line) {
    std::string out = "{";
    while (!line.empty()) {
      const auto end = line.find(' ');
      const auto word = line.substr(0, end);
      line = end == ByteView::npos ? ByteView() : line.substr(end + 1);
      const auto colon = word.find(':');
      if (colon == ByteView::npos) {
        continue;
      }
      const auto value = word.substr(colon + 1);
      out.append(out.size() > 1 ? "," : "").append(json_text(word.substr(0, colon))).append(":");
      const bool number = !value.empty() && value.size() <= 15 &&
                          word.substr(0, colon) != "digest" &&
                          value.find_first_not_of("0123456789") == ByteView::npos;
      out.append(number ? std::string(value) : json_text(value));
    }
    return out + "}";
  }
};

class AdminExchange final : public Exchange {
 public:
  enum class Kind : std::uint8_t { kStatus, kMetrics, kHealth };

  AdminExchange(Kind kind, const HttpOptions& options)
      : Exchange(Ask()), kind_(kind), options_(options) {}

  Step begin() override {
    switch (kind_) {
      case Kind::kStatus:
        return std::vector<Words>{{"KV.STATUS"}};
      case Kind::kMetrics:
        return std::vector<Words>{{"INFO"}, {"KV.STATUS"}};
      case Kind::kHealth:
        break;
    }
    return std::vector<Words>{{"PING"}};
  }

  Step answered(std::vector<ReplyTree::Taken> replies) override {
    for (const auto& one : replies) {
      if (one.error) {
        return error_response(*one.error);
      }
    }
    const auto& first = replies.front().reply.text;
    switch (kind_) {
      case Kind::kStatus:
        return json_response(200, StatusText::json(first));
      case Kind::kMetrics:
        return HttpResponse{200,
                            "text/plain; version=0.0.4; charset=utf-8",
                            metrics_text(first, replies[1].reply.text,
                                         options_.process ? options_.process() : ProcessFigures()),
                            {}};
      case Kind::kHealth:
        break;
    }
    return json_response(200, fmt::format("{{\"status\":\"ok\",\"node\":{},\"version\":{}}}\n",
                                          options_.self.value(), json_text(options_.version)));
  }

 private:
  Kind kind_;
  const HttpOptions& options_;
};

}  // namespace

Routed admin_exchange(const HttpTarget& target, const HttpOptions& options) {
  using Kind = AdminExchange::Kind;
  return std::make_unique<AdminExchange>(target.path == "/v1/status" ? Kind::kStatus
                                         : target.path == "/metrics" ? Kind::kMetrics
                                                                     : Kind::kHealth,
                                         options);
}

}  // namespace kvorum::front
