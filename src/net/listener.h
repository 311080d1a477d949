// A port that accepts connections.
#pragma once

#include <cstdint>
#include <functional>

#include "base/error.h"
#include "net/loop.h"
#include "net/server.h"

namespace kvorum::net {

class Listener {
 public:
  explicit Listener(Loop& loop) : acceptor_(loop.io()), retry_(loop.io()) {}

  // Binds and listens; connections wait in the system's queue until start().
  Result<void> open(const Address& address);
  void start(std::function<void(Socket)> accept);
  void close();
  std::uint16_t port() const { return port_; }

 private:
  void accept_next();

  Acceptor acceptor_;
  Timer retry_;
  std::uint16_t port_ = 0;
  std::function<void(Socket)> accept_;
};

}  // namespace kvorum::net
