// Readiness of many sockets, asked for once per turn and not once per read.
//
// Asio tries each read again after it was served, and learns that nothing is there: a system call
// per request. Here sockets are registered once, edge-triggered, with an epoll instance of their
// own, and Asio watches that instance alone.
#pragma once

#include <array>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cstdint>
#include <functional>

#include "net/loop.h"

namespace kvorum::net {

class Poller {
 public:
  struct Events {
    bool readable = false;
    bool writable = false;
    bool hung_up = false;  // the other end sends no more, or the connection is broken
  };
  // A change: what was told before and not used up is not told again.
  using Ready = std::function<void(std::uint64_t key, Events events)>;

  Poller(Loop& loop, Ready ready);

  // From now on, until it is closed, this socket's changes are told under this key. False: the
  // system has no room for it.
  bool add(int socket, std::uint64_t key);

 private:
  static constexpr int kAtOnce = 256;

  void watch();
  void poll();

  asio::posix::basic_stream_descriptor<Executor> epoll_;
  Ready ready_;
};

}  // namespace kvorum::net
