#include "app/fronts.h"

#include <fmt/chrono.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <memory>

#include "app/process_figures.h"
#include "app/version.h"
#include "front/http_front.h"
#include "front/memcached_front.h"
#include "front/three_byte_front.h"

namespace kvorum::app {
namespace {

// JSON says a value of so many bytes in more.
constexpr std::size_t kRoomBesideValue = std::size_t{64} << 10;

// The present second as the field Date has it, formatted when it is a new one. Thread: the node's.
class DateField {
 public:
  ByteView now() {
    const auto second = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    if (second != second_) {
      second_ = second;
      text_ = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(second_));
    }
    return text_;
  }

 private:
  std::chrono::sys_seconds second_;
  Bytes text_;
};

bool is_loopback(const std::string& bind) {
  boost::system::error_code failed;
  const auto address = boost::asio::ip::make_address(bind, failed);
  return !failed && address.is_loopback();
}

net::FrontPort http_port(const ClusterConfig& config, const NodeConfig& self,
                         const std::string& bind, const std::vector<std::string>& origins) {
  auto options = std::make_shared<front::HttpOptions>();
  options->cluster = config.cluster;
  options->self = self.id;
  options->version = kVersion;
  for (const auto& node : config.nodes) {
    if (node.http_port != 0) {
      options->machines.push_back({node.id, node.host, node.http_port});
    }
  }
  options->origins = config.http_origins;
  options->origins.insert(options->origins.end(), origins.begin(), origins.end());
  options->value_bytes = config.max_value_bytes;
  options->list_bytes = std::max(options->list_bytes, 2 * config.max_value_bytes);
  options->limits.body_bytes = config.max_value_bytes + kRoomBesideValue;
  options->loopback = is_loopback(bind);
  options->date = [date = std::make_shared<DateField>()] { return date->now(); };
  const auto start =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch());
  options->process = [start] { return process_figures(start.count()); };
  Bytes refusal;
  front::append_response(front::error_response(503, "BUSY", "too many clients"), {.close = true},
                         refusal);
  return {{bind, self.http_port},
          [options](Bytes& out) { return std::make_unique<front::HttpFront>(*options, out); },
          refusal};
}

}  // namespace

std::vector<net::FrontPort> fronts_of(const ClusterConfig& config, const NodeConfig& node,
                                      const std::string& bind,
                                      const std::vector<std::string>& origins,
                                      const wire::RequestLimits& requests) {
  std::vector<net::FrontPort> fronts;
  if (node.http_port != 0) {
    fronts.push_back(http_port(config, node, bind, origins));
  }
  if (node.memcached_port != 0) {
    front::MemcachedOptions options;
    options.limits.value_bytes = requests.bulk_bytes;
    options.limits.drain_bytes = requests.drain_bytes;
    options.request_bytes = requests.request_bytes;
    options.version = kVersion;
    fronts.push_back(
        {{bind, node.memcached_port},
         [options](Bytes& out) { return std::make_unique<front::MemcachedFront>(options, out); },
         "SERVER_ERROR too many clients\r\n"});
  }
  if (node.three_byte_port != 0) {
    const auto log = [](ByteView line) { spdlog::info("{}", line); };
    fronts.push_back(
        {{bind, node.three_byte_port},
         [log](Bytes& out) { return std::make_unique<front::ThreeByteFront>(log, out); },
         "E ERR too many clients\n"});
  }
  return fronts;
}

void log_fronts(const NodeConfig& node) {
  if (node.http_port != 0) {
    spdlog::info("HTTP on port {}", node.http_port);
  }
  if (node.memcached_port != 0) {
    spdlog::info("memcached clients on port {}", node.memcached_port);
  }
  if (node.three_byte_port != 0) {
    spdlog::info("the protocol of three bytes on port {}", node.three_byte_port);
  }
}

}  // namespace kvorum::app
