// One connection of a load, without blocking: its lane's requests out, replies in. One thread.
#pragma once

#include <array>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/time.h"
#include "client/connection.h"
#include "load/lane.h"

namespace kvorum::load {

struct Target {
  client::Endpoint name;
  boost::asio::ip::tcp::endpoint address;
};

// What each connection begins with; every reply to it must be good.
struct Prelude {
  Bytes requests;
  std::size_t count = 0;
};

// The monotonic time line.
Instant clock_now();

class Connection {
 public:
  struct Down {
    bool broke;        // it was up; else it did not come about
    std::size_t lost;  // requests that were in flight
    const std::string& why;
  };
  // What it tells. Not from within a call of the constructor, connect(), send() or has_room().
  class Host {
   public:
    virtual ~Host() = default;
    virtual void up(Connection& connection, Instant now) = 0;
    // So many requests were answered, or there is room for bytes again.
    virtual void moved(Connection& connection, std::size_t answered, Instant now) = 0;
    // It is to be connected again.
    virtual void down(Connection& connection, const Down& down) = 0;
  };
  struct Parts {
    boost::asio::io_context& io;
    Host& host;
    const Prelude& prelude;
    Tally& tally;
    Plan& plan;
  };

  Connection(const Parts& parts, std::size_t pipeline);

  // Only while is_down(). The target must outlive the attempt.
  void connect(const Target& target);
  const Target& target() const { return *target_; }
  bool is_down() const { return state_ == State::kDown; }
  bool is_up() const { return state_ == State::kUp; }

  bool has_room() const { return is_up() && lane_.has_room() && out_.size() - sent_ < kMostUnsent; }
  // Appends the next request, due since then, to what flush() sends. Only with room.
  void send(Instant due, Instant now) {
    heard_ = lane_.in_flight() == 0 ? now : heard_;
    lane_.send(due, out_);
  }
  void flush();
  // Now and then: ends what has taken too long.
  void check(Instant now);

  // For the host.
  bool listed = false;  // as one that has room
  bool dirty = false;   // flush() is due
  std::size_t next_target = 0;

 private:
  using Executor = boost::asio::io_context::executor_type;
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Executor>;
  using ErrorOf = boost::system::error_code;
  enum class State : std::uint8_t { kDown, kConnecting, kGreeting, kUp };

  static constexpr std::size_t kReadBytes = std::size_t{16} << 10;
  static constexpr std::size_t kMostUnsent = std::size_t{256} << 10;  // and a request
  static constexpr Duration kConnectPatience = 2s;
  // Longer than the nodes' own, so that they answer first.
  static constexpr Duration kReplyPatience = 15s;

  void on_connected(const ErrorOf& failed);
  void become_up(Instant now);
  void read();
  void on_read(const ErrorOf& failed, std::size_t count);
  void greet(ByteView bytes, Instant now);
  void wait_writable();
  void fail(const std::string& why);

  Host& host_;
  const Prelude& prelude_;
  Tally& tally_;
  Socket socket_;
  Lane lane_;
  const Target* target_ = nullptr;
  State state_ = State::kDown;
  // Of the socket; what an earlier one left behind in the loop knows by it that it is late.
  std::uint64_t life_ = 0;
  Instant heard_;  // of the node; or since when it owes something
  ReplyScanner greeting_;
  std::size_t greetings_ = 0;  // replies to the prelude
  Bytes out_;
  std::size_t sent_ = 0;  // of that
  bool writing_ = false;
  std::array<char, kReadBytes> buffer_;
};

}  // namespace kvorum::load
