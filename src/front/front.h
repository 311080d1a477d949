// One connection's protocol: turns a client's bytes into requests to the node, and the node's
// replies into bytes for the client. RESP, HTTP and the small ones are fronts over the same
// requests; whoever owns the sockets (net/) sees this alone. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "model/reply.h"

namespace kvorum::front {

class Front {
 public:
  enum class Status : std::uint8_t {
    kNeedMore,  // no whole request is left
    kRequest,   // args() is one for the node, which owes a reply to it
    kRefused,   // the node is to answer error() in its place, and the connection goes on
    kFatal,     // the same, and the connection ends with it
    kAnswered,  // answered here; there may be more
    kWaits,     // for a reply of the node before the next request can be told
  };

  virtual ~Front() = default;

  // Appends bytes, borrowed until keep(). Not between next() and the use of its args().
  virtual void feed(ByteView bytes) = 0;
  virtual void keep() = 0;
  virtual Status next() = 0;
  // Of the last kRequest, until the next call of feed(), keep() or next(). At least one argument.
  virtual std::span<const ByteView> args() const = 0;
  // Of the last kRefused or kFatal.
  virtual const Error& error() const = 0;

  // Where the node's replies go, in the order of the requests, and how many came whole.
  virtual ReplyWriter& writer() = 0;
  virtual std::uint64_t replies() const = 0;
  // The connection ends once what was written so far is sent.
  virtual bool finished() const { return false; }

  // RESP's version, 2 or 3, from the next reply on.
  virtual void set_protocol(int) {}

  // Part of a request is here, and the rest is not.
  virtual bool within_request() const = 0;
  // How long the client may take: within a request from its first byte, else between two.
  virtual Duration patience() const { return Duration::max(); }
  // It took longer: says so, if the protocol has words for it. The connection ends then.
  virtual void expire() {}
};

// Makes the front of a new connection, whose output it appends to.
using Factory = std::function<std::unique_ptr<Front>(Bytes& out)>;

}  // namespace kvorum::front
