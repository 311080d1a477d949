#include "net/socket.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace kvorum::net {
namespace {

using IntOption = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>;
using IntervalOption = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>;
using CountOption = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPCNT>;
using UserTimeout = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>;

constexpr int kClientIdleSeconds = 300;
constexpr int kPeerIdleSeconds = 2;
constexpr int kProbeSeconds = 1;
constexpr int kProbes = 3;
constexpr int kPeerSilenceMs =
    3000;  // sent bytes that stay unacknowledged for so long break a link

// A socket whose other end is gone refuses options; reading or writing tells soon enough.
void set_options(Socket& socket, int idle_seconds) {
  ErrorOf ignored;
  socket.non_blocking(true, ignored);
  socket.set_option(Tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  socket.set_option(IntOption(idle_seconds), ignored);
  socket.set_option(IntervalOption(kProbeSeconds), ignored);
  socket.set_option(CountOption(kProbes), ignored);
}

}  // namespace

void set_client_options(Socket& socket) { set_options(socket, kClientIdleSeconds); }

void set_peer_options(Socket& socket) {
  set_options(socket, kPeerIdleSeconds);
  ErrorOf ignored;
  socket.set_option(UserTimeout(kPeerSilenceMs), ignored);
}

NativeSocket::NativeSocket(Socket socket) : handle_(-1) {
  ErrorOf failed;
  handle_ = socket.release(failed);
}

void NativeSocket::close() {
  if (handle_ >= 0) {
    ::close(handle_);
    handle_ = -1;
  }
}

std::string remote_address(int socket) {
  Tcp::endpoint end;
  auto size = static_cast<socklen_t>(end.capacity());
  if (getpeername(socket, end.data(), &size) != 0) {
    return {};
  }
  end.resize(size);
  const auto host = end.address().to_string();
  return end.address().is_v6() ? fmt::format("[{}]:{}", host, end.port())
                               : fmt::format("{}:{}", host, end.port());
}

std::size_t raise_file_limit(std::size_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return wanted;
  }
  if (limit.rlim_cur < wanted) {
    const auto before = limit;
    limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
      limit = before;
    }
  }
  return limit.rlim_cur;
}

}  // namespace kvorum::net
