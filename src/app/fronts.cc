#include "app/fronts.h"

#include <spdlog/spdlog.h>

#include <memory>

#include "app/version.h"
#include "front/memcached_front.h"
#include "front/three_byte_front.h"

namespace kvorum::app {

std::vector<net::FrontPort> fronts_of(const NodeConfig& node, const std::string& bind,
                                      const wire::RequestLimits& requests) {
  std::vector<net::FrontPort> fronts;
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
  if (node.memcached_port != 0) {
    spdlog::info("memcached clients on port {}", node.memcached_port);
  }
  if (node.three_byte_port != 0) {
    spdlog::info("the protocol of three bytes on port {}", node.three_byte_port);
  }
}

}  // namespace kvorum::app
