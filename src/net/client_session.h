// One client's connection: its requests go to the node as they are parsed, its replies leave once
// per turn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "front/front.h"
#include "net/out_buffer.h"
#include "net/poller.h"
#include "net/socket.h"
#include "node/node.h"

namespace kvorum::net {

class ClientPort;

class ClientSession : public std::enable_shared_from_this<ClientSession> {
 public:
  ClientSession(ClientPort& port, Socket socket, node::ConnId id);

  node::ConnId id() const { return id_; }
  int socket() const { return socket_.get(); }
  bool has_unsent() const { return !closed_ && out_.unsent() > 0; }

  void on_ready(Poller::Events events);
  // Goes on where it stopped: requests that wait in memory first, then the socket.
  void go_on();
  // Sends what the node answered; then closes, or goes on, where that is what it waited for.
  void flush();
  // At once, whatever waits.
  void close();
  // Cuts the client off if its unsent replies are still over their bound.
  void check_slow();
  // Ends the connection if its client takes longer than the front's patience.
  void check_patience(Instant now);

  // Where the node's next reply goes; null once nothing more may be sent.
  ReplyWriter* writer();
  void set_protocol(int version) { front_->set_protocol(version); }
  void close_after_replies() { closing_ = true; }

  bool dirty = false;    // flush() is due this turn; the port keeps it
  bool waiting = false;  // go_on() is due next turn; the port keeps it

 private:
  static constexpr std::size_t kKeptOutput = 16384;
  static constexpr int kReadsPerTurn = 4;
  static constexpr std::uint64_t kRequestsPerTurn = 1024;  // so that no client starves the others
  // Requests without an answer. Fewer for a client whose answers are large, as all of them may come
  // in one turn.
  static constexpr std::uint64_t kMaxOpen = 1024;
  static constexpr std::uint64_t kFirstOpen = 4;

  void read();
  void take(ByteView bytes);
  void parse();
  bool may_parse() const;
  std::uint64_t open() const { return requests_ - front_->replies(); }
  void adapt_window();
  void cut_off();
  void after_flush();
  void end_politely();
  void discard();

  ClientPort& port_;
  NativeSocket socket_;
  node::ConnId id_;
  OutBuffer out_{kKeptOutput};
  std::unique_ptr<front::Front> front_;

  std::uint64_t requests_ = 0;         // given to the node
  std::uint64_t flushed_replies_ = 0;  // at the last flush
  std::size_t flushed_unsent_ = 0;     // bytes left over by the last flush
  std::uint64_t window_ = kFirstOpen;  // how many requests may be open
  std::uint64_t turn_ = 0;             // in which it was last served
  std::uint64_t left_this_turn_ = kRequestsPerTurn;
  Instant quiet_since_;          // nothing is owed to the client, and no request became whole
  bool within_request_ = false;  // all that time
  bool hungry_ = true;           // no whole request waits in the parser
  bool readable_ = false;        // the socket may have more
  bool hung_up_ = false;         // and behind that its end
  bool writing_ = false;         // waiting until the socket takes more
  bool eof_ = false;             // the client will send no more
  bool fatal_ = false;           // what it sent made no sense; the rest is ignored
  bool closing_ = false;         // ends once its output is sent
  bool overflow_ = false;        // to be cut off: more replies came while too many were unread
  bool watched_ = false;         // check_slow() is due
  bool closed_ = false;          // the node does not know it any more
};

}  // namespace kvorum::net
