#include "net/listener.h"

#include <spdlog/spdlog.h>

#include <string>
#include <utility>

namespace kvorum::net {
namespace {

constexpr int kBacklog = 1024;
constexpr Duration kRetryAfter = 100ms;  // when the process is out of file descriptors

}  // namespace

Result<void> Listener::open(const Address& address) {
  const auto cannot = [&address](const ErrorOf& failed) {
    if (failed == asio::error::address_in_use) {
      return fail(ErrorCode::kConfig, "port {} is in use", address.port);
    }
    return fail(ErrorCode::kConfig, "cannot listen on {}:{}: {}", address.host, address.port,
                failed.message());
  };
  ErrorOf failed;
  Resolver resolver(acceptor_.get_executor());
  const auto found =
      resolver.resolve(address.host, std::to_string(address.port), Tcp::resolver::passive, failed);
  if (failed) {
    return cannot(failed);
  }
  const auto endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), failed);
  if (!failed) {
    acceptor_.set_option(asio::socket_base::reuse_address(true), failed);
  }
  if (!failed) {
    acceptor_.bind(endpoint, failed);
  }
  if (!failed) {
    acceptor_.listen(kBacklog, failed);
  }
  if (failed) {
    return cannot(failed);
  }
  port_ = acceptor_.local_endpoint().port();
  return {};
}

void Listener::start(std::function<void(Socket)> accept) {
  accept_ = std::move(accept);
  accept_next();
}

void Listener::close() {
  ErrorOf ignored;
  acceptor_.close(ignored);
  retry_.cancel();
}

void Listener::accept_next() {
  acceptor_.async_accept([this](const ErrorOf& failed, Socket socket) {
    if (!acceptor_.is_open()) {
      return;
    }
    if (!failed) {
      accept_(std::move(socket));
      return accept_next();
    }
    // At once again would spin, as the connection that could not be taken still waits.
    spdlog::warn("cannot accept a connection on port {}: {}", port_, failed.message());
    retry_.expires_after(kRetryAfter);
    retry_.async_wait([this](const ErrorOf& cancelled) {
      if (!cancelled && acceptor_.is_open()) {
        accept_next();
      }
    });
  });
}

}  // namespace kvorum::net
