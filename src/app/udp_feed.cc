#include "app/udp_feed.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace kvorum::app {

Result<void> send_lines(const client::Endpoint& to, const std::vector<std::string>& lines) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(to.port);
  if (::inet_pton(AF_INET, to.host.c_str(), &address.sin_addr) != 1) {
    return fail(ErrorCode::kConfig, "'{}' is no IPv4 address", to.host);
  }
  const int door = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool sent = door >= 0;
  for (const auto& line : lines) {
    sent = sent &&
           ::sendto(door, line.data(), line.size(), 0, reinterpret_cast<const sockaddr*>(&address),
                    sizeof address) == static_cast<ssize_t>(line.size());
  }
  const int why = errno;
  if (door >= 0) {
    ::close(door);
  }
  return sent ? Result<void>()
              : fail(ErrorCode::kIo, "{}: {}", client::to_string(to), std::strerror(why));
}

}  // namespace kvorum::app
