#include "app/fronts.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>

#include "app/version.h"
#include "front/http_front.h"

namespace kvorum::app {
namespace {

// JSON says a value of so many bytes in more.
constexpr std::size_t kRoomBesideValue = std::size_t{64} << 10;

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Linux's /proc, as it describes this process.
front::ProcessFigures look_at_process(double start_seconds) {
  front::ProcessFigures figures;
  figures.start_seconds = start_seconds;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    figures.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  }
  std::ifstream statm("/proc/self/statm");
  double total_pages = 0;
  double resident_pages = 0;
  if (statm >> total_pages >> resident_pages) {
    figures.resident_bytes = resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE));
  }
  std::error_code failed;
  for (const auto& file : std::filesystem::directory_iterator("/proc/self/fd", failed)) {
    static_cast<void>(file);
    ++figures.open_files;
  }
  return figures;
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
  options->limits.body_bytes = config.max_value_bytes + kRoomBesideValue;
  const auto start =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch());
  options->process = [start] { return look_at_process(start.count()); };
  return {{bind, self.http_port},
          [options](Bytes& out) { return std::make_unique<front::HttpFront>(*options, out); },
          "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
          "Connection: close\r\n\r\n"};
}

}  // namespace

std::vector<net::FrontPort> front_ports(const ClusterConfig& config, const NodeConfig& self,
                                        const std::string& bind,
                                        const std::vector<std::string>& origins) {
  std::vector<net::FrontPort> ports;
  if (self.http_port != 0) {
    ports.push_back(http_port(config, self, bind, origins));
  }
  return ports;
}

}  // namespace kvorum::app
