// A port that clients connect to, and their sessions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "model/reply.h"
#include "net/client_session.h"
#include "net/expiry.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/poller.h"
#include "net/server.h"
#include "node/node.h"

namespace kvorum::net {

class ClientPort {
 public:
  static constexpr std::size_t kReadBytes = std::size_t{256} << 10;

  static constexpr std::size_t kMaxPorts = 8;

  // `number`, from 0, tells the server's ports apart; `connected` counts the clients of all of
  // them.
  ClientPort(Loop& loop, const ServerOptions& options, FrontPort front, std::size_t number,
             std::size_t& connected);

  static std::size_t number_of(node::ConnId conn) {
    return conn.value() >> kSlotBits & (kMaxPorts - 1);
  }

  Result<void> open() { return listener_.open(front_.address); }
  std::uint16_t port() const { return listener_.port(); }
  void start(node::Node& node);
  // No connection and no request is taken any more; what is owed is still answered.
  void begin_shutdown();
  bool all_sent() const;

  // One turn: requests that waited for it, then, once the node has answered, everyone's replies.
  void begin_turn();
  void flush();

  ReplyWriter& reply(node::ConnId conn);
  ClientSession* find(node::ConnId conn);
  void pause(bool on);

  // For sessions.
  const ServerOptions& options() const { return options_; }
  std::unique_ptr<front::Front> make_front(Bytes& out) const { return front_.make(out); }
  node::Node& node() { return *node_; }
  bool paused() const { return paused_ || shutting_down_; }
  std::uint64_t turn() const { return turn_; }
  std::array<char, kReadBytes>& read_buffer() { return *read_buffer_; }
  void schedule_turn() { loop_.schedule_turn(); }
  void serve_next_turn(ClientSession& session);
  void mark_dirty(ClientSession& session);
  // The node hears no more of it.
  void forget(ClientSession& session);
  // Its socket is closed.
  void release(ClientSession& session);
  void close_soon(std::shared_ptr<ClientSession> session);
  void watch(std::shared_ptr<ClientSession> session) { slow_.add(std::move(session)); }
  void on_drained();

 private:
  // Of a ConnId. Above them the port's number, and a serial number, so that none comes twice.
  static constexpr unsigned kSlotBits = 20;
  static constexpr Duration kPatienceCheck = 1s;
  static constexpr Duration kLinger =
      1s;  // between the last reply and the end of a connection that we close
  static constexpr std::size_t kMaxLingering = 1024;

  void accept(Socket socket);
  void refuse(Socket socket);
  static std::size_t slot_of(node::ConnId conn);
  void on_ready(node::ConnId conn, Poller::Events events);
  void check_patience();

  Loop& loop_;
  const ServerOptions& options_;
  FrontPort front_;
  std::size_t number_;
  Listener listener_;
  Poller poller_;
  node::Node* node_ = nullptr;
  NoReply no_reply_;
  std::unique_ptr<std::array<char, kReadBytes>> read_buffer_;

  std::vector<std::shared_ptr<ClientSession>> slots_;
  std::vector<std::size_t> free_slots_;
  std::size_t& connected_;
  std::uint64_t serial_ = 0;
  std::uint64_t turn_ = 0;

  std::vector<std::shared_ptr<ClientSession>> dirty_;    // have replies to send
  std::vector<std::shared_ptr<ClientSession>> waiting_;  // go on next turn
  std::vector<std::shared_ptr<ClientSession>> batch_;    // of either, while it is worked off
  bool paused_ = false;
  bool resumed_ = false;  // pause(false) came in this turn
  bool shutting_down_ = false;

  Expiry<ClientSession> lingering_;  // told that we close, given time to read their last replies
  Expiry<ClientSession> slow_;       // over the bound on unsent replies
  Timer patience_;
};

}  // namespace kvorum::net
