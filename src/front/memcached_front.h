// Clients of memcached, by its text protocol, over the node's keyspace `main`. A value is the very
// bytes that Redis clients see, so there is no room for flags: other ones than 0 are refused.
//
// append, prepend, incr and decr are a read and a compare-and-set, again while another writer comes
// in between; so they are as atomic as memcached's. The number of gets and cas is the row's
// version. docs/api.md has what differs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "front/front.h"
#include "front/memcached_parser.h"
#include "front/scalar_replies.h"

namespace kvorum::front {

struct MemcachedOptions {
  MemcachedLimits limits;
  std::size_t request_bytes = std::size_t{64} << 20;  // of one request to the node
  std::string version;                                // of the server
};

class MemcachedFront final : public Front {
 public:
  // Answers that wait for earlier ones.
  static constexpr std::size_t kMaxOwed = 4096;
  // Reads and compares of one append, prepend, incr or decr, before it gives up.
  static constexpr int kMaxTries = 100;

  MemcachedFront(MemcachedOptions options, Bytes& out);

  void feed(ByteView bytes) override { parser_.feed(bytes); }
  void keep() override { parser_.keep(); }
  Status next() override;
  std::span<const ByteView> args() const override { return args_; }
  const Error& error() const override { return no_error_; }
  ReplyWriter& writer() override { return replies_; }
  std::uint64_t replies() const override { return replies_.replies(); }
  bool finished() const override { return ending_ && owed_.empty(); }
  bool within_request() const override { return parser_.within_request(); }
  Duration patience() const override;
  void expire() override;

 private:
  using Reply = ScalarReplies::Reply;

  // What the client is owed, in order: for a reply of the node, or written already.
  struct Owed {
    enum class Kind : std::uint8_t {
      kText,
      kGet,
      kBeforeGet,
      kStore,
      kDelete,
      kTouch,
      kFlush,
      kStats,
      kChange
    };
    Kind kind;
    bool silent;
    bool last = false;    // of a get's keys
    bool unique = false;  // gets
    Bytes text;           // kText: the answer. kGet: the key
  };

  // An append, prepend, incr, decr or cas under way; nothing behind it begins before it is
  // answered.
  struct Change {
    enum class Stage : std::uint8_t { kRead, kReading, kSwap, kSwapping, kLook, kLooking };
    MemcachedVerb verb;
    bool silent;
    Bytes key;
    Bytes data;
    std::uint64_t delta;  // or cas's version
    std::int64_t lifetime_s;
    Stage stage;
    int tries;
    Bytes old;
    Bytes fresh;
  };

  Status begin();
  Status ask(std::initializer_list<ByteView> args, Owed owed);
  Status answer(ByteView line, bool silent = false);
  Status ask_key();
  Status change();
  Status store();
  Status flush_all();
  Status go_on_changing();
  void add_lifetime(std::int64_t seconds, ByteView for_ever);

  void on_reply(const Reply& reply);
  void on_value(const Owed& owed, const Reply& reply);
  Bytes line_for(const Owed& owed, const Reply& reply) const;
  void on_change(const Reply& reply);
  void on_cas(const Reply& reply);
  void change_value(ByteView value);
  void end_change(ByteView line);

  MemcachedOptions options_;
  Bytes& out_;
  MemcachedParser parser_;
  ScalarReplies replies_;
  Error no_error_;
  std::vector<ByteView> args_;
  std::string lifetime_;      // of the last request
  std::string version_;       // of it
  std::size_t next_key_ = 0;  // of the parsed get's
  bool keys_left_ = false;    // it is to be asked for
  bool touched_ = false;      // by gats, which asks twice
  bool get_failed_ = false;   // its answer has ended with an error
  std::optional<Change> change_;
  std::deque<Owed> owed_;
  bool ending_ = false;
};

}  // namespace kvorum::front
