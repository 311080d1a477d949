// TCP sockets as this folder uses them: non-blocking, one thread, no type-erased executors.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/basic_resolver.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <string>

#include "base/time.h"

namespace kvorum::net {

namespace asio = boost::asio;
using ErrorOf = boost::system::error_code;
using Executor = asio::io_context::executor_type;
using Tcp = asio::ip::tcp;
using Socket = asio::basic_stream_socket<Tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<Tcp, Executor>;
using Resolver = asio::ip::basic_resolver<Tcp, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

// Non-blocking, without Nagle's delay, with probes that find a vanished client after minutes.
void set_client_options(Socket& socket);
// The same, but a vanished peer is found within seconds.
void set_peer_options(Socket& socket);

// "127.0.0.1:4711"; empty if the connection is gone. Takes a native handle.
std::string remote_address(int socket);

// A socket that Asio has given up, closed at the end.
class NativeSocket {
 public:
  explicit NativeSocket(Socket socket);
  ~NativeSocket() { close(); }
  NativeSocket(const NativeSocket&) = delete;
  NativeSocket& operator=(const NativeSocket&) = delete;

  int get() const { return handle_; }
  bool is_open() const { return handle_ >= 0; }
  void close();

 private:
  int handle_;
};

// Raises this process' limit on open files towards `wanted`, and returns what it is then.
std::size_t raise_file_limit(std::size_t wanted);

}  // namespace kvorum::net
