#include "net/fault_caller.h"

#include <array>
#include <boost/asio/write.hpp>
#include <memory>
#include <string>
#include <utility>

#include "wire/peer.h"

namespace kvorum::net {
namespace {

using Kind = node::FaultAnswer::Kind;

// One command on its connection: connects, sends, waits for the answer, all within one time-out.
class Call : public std::enable_shared_from_this<Call> {
 public:
  Call(Loop& loop, std::uint64_t id, Bytes frame, FaultCaller::Done done)
      : id_(id),
        frame_(std::move(frame)),
        done_(std::move(done)),
        socket_(loop.io()),
        resolver_(loop.io()),
        timer_(loop.io()) {}

  void start(const Address& to, Duration patience) {
    timer_.expires_after(patience);
    timer_.async_wait([self = shared_from_this()](const ErrorOf& cancelled) {
      if (!cancelled) {
        self->finish(self->sent_ ? Kind::kUnknown : Kind::kUnreached, "no answer in time");
      }
    });
    resolver_.async_resolve(to.host, std::to_string(to.port),
                            [self = shared_from_this()](const ErrorOf& failed,
                                                        const Tcp::resolver::results_type& found) {
                              failed ? self->finish(Kind::kUnreached, failed.message())
                                     : self->connect(found.begin()->endpoint());
                            });
  }

 private:
  void connect(const Tcp::endpoint& endpoint) {
    if (!done_) {
      return;
    }
    socket_.async_connect(endpoint, [self = shared_from_this()](const ErrorOf& failed) {
      if (failed) {
        const bool nobody = failed == asio::error::connection_refused;
        return self->finish(nobody ? Kind::kAbsent : Kind::kUnreached, failed.message());
      }
      self->send();
    });
  }

  void send() {
    if (!done_) {
      return;
    }
    sent_ = true;  // as far as we can know
    asio::async_write(socket_, asio::buffer(frame_),
                      [self = shared_from_this()](const ErrorOf& failed, std::size_t) {
                        failed ? self->finish(Kind::kUnknown, failed.message()) : self->read();
                      });
  }

  void read() {
    socket_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](
                                                       const ErrorOf& failed, std::size_t count) {
      failed ? self->finish(Kind::kUnknown, failed.message()) : self->on_read(count);
    });
  }

  void on_read(std::size_t count) {
    parser_.feed({buffer_.data(), count});
    const auto frame = parser_.next();
    parser_.keep();
    if (!frame) {
      return finish(Kind::kUnknown, frame.error().detail);
    }
    if (!*frame) {
      return read();
    }
    const auto* const answer = std::get_if<FaultFrame>(&**frame);
    if (answer == nullptr || answer->kind == FaultFrame::Kind::kCommand) {
      return finish(Kind::kUnknown, "it answered something else");
    }
    finish(answer->kind == FaultFrame::Kind::kDone ? Kind::kDone : Kind::kRefused, answer->text);
  }

  void finish(Kind kind, std::string why) {
    const auto done = std::exchange(done_, nullptr);
    if (!done) {
      return;
    }
    timer_.cancel();
    resolver_.cancel();
    ErrorOf ignored;
    socket_.close(ignored);
    done({id_, kind, std::move(why)});
  }

  std::uint64_t id_;
  Bytes frame_;
  FaultCaller::Done done_;  // null: answered
  Socket socket_;
  Resolver resolver_;
  Timer timer_;
  bool sent_ = false;
  wire::FrameParser parser_{wire::kMaxHelloBytes};
  std::array<char, wire::kMaxHelloBytes> buffer_;
};

}  // namespace

void FaultCaller::call(const node::FaultCall& call, const Address& to, Done done) {
  const FaultFrame frame{options_.cluster, options_.self, call.to, FaultFrame::Kind::kCommand,
                         call.text};
  Bytes bytes;
  if (open_ == kMaxOpen || to.port == 0 || !wire::encode_fault(frame, bytes)) {
    const auto why = to.port == 0 ? "it has no address" : "too many commands are on their way";
    asio::post(loop_.io(), [done = std::move(done), id = call.id, why] {
      done({id, Kind::kUnreached, why});
    });
    return;
  }
  ++open_;
  auto counted = [this, done = std::move(done)](const node::FaultAnswer& answer) {
    --open_;
    done(answer);
  };
  std::make_shared<Call>(loop_, call.id, std::move(bytes), std::move(counted))
      ->start(to, options_.handshake_timeout);
}

}  // namespace kvorum::net
