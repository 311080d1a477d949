// The clients of leaderless keyspaces: of `fast`, and of others that they create themselves. Each
// works in one keyspace; written values are unique.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.h"
#include "dynamo/version.h"
#include "model/history.h"
#include "sim/events.h"
#include "sim/options.h"
#include "sim/trace.h"
#include "sim/workload.h"
#include "wire/reply_parser.h"

namespace kvorum::sim {

// A write of one key, as its client asked for it.
struct FreeWrite {
  std::string keyspace;
  std::string key;
  std::string value;
  bool deletes = false;
  std::size_t w = 1;
  std::optional<dynamo::Context> seen;  // what the client said that it had seen
};

// What a server's answer says of it.
struct FreeAck {
  std::optional<Dot> dot;  // of requests with a receipt
  bool stand_ins = false;
};

// An answered read of one key.
struct FreeRead {
  std::string keyspace;
  std::string key;
  std::size_t r = 1;
  Instant sent{};
  std::optional<std::string> value;         // nothing: absent
  std::optional<dynamo::Context> has_seen;  // of requests with a receipt
};

class FreeLoad {
 public:
  using Fail = std::function<void(std::string why)>;
  // An acknowledgement that leaves its server now, whether the client gets it or not.
  using Acked = std::function<void(const FreeWrite& write, const FreeAck& ack)>;
  using Answered = std::function<void(const FreeRead& read)>;  // in the same way

  FreeLoad(const Options& options, EventQueue& events, Trace& trace, Access& access, Fail fail,
           Acked acked, Answered answered);
  ~FreeLoad();

  // What one client writes, another flushes: its keyspace is not judged by what was written.
  static constexpr const char* kSwept = "swept";

  void start();
  void stop() { stopping_ = true; }
  bool idle() const;

  // Its connections have numbers of their own.
  static bool owns(std::uint64_t conn) { return conn >= kFirstConn; }
  void leaves(std::uint64_t conn, ByteView bytes);  // of an answer: its server
  void reply(std::uint64_t conn, ByteView bytes);
  void hung_up(std::uint64_t conn);

  // Operations on keys "keyspace/key", where one value tells what was read or written; those that
  // expire are left out.
  std::vector<HistoryRecord> take_history();
  std::uint64_t requests() const { return requests_; }

 private:
  static constexpr std::uint64_t kFirstConn = std::uint64_t{1} << 32;

  enum class Purpose : std::uint8_t { kCreate, kSelect, kWork, kSweep };
  struct Request {
    Purpose purpose = Purpose::kWork;
    std::vector<std::string> args;
    std::vector<FreeWrite> writes;
    std::vector<std::string> reads;  // keys whose values the answer is
    bool counts = false;             // ... or how many of them there are
    std::string keyspace;            // ... and where
    std::size_t r = 1;
    std::string level;
    Instant sent{};
  };
  using Open = std::shared_ptr<const Request>;
  struct Client;
  struct Line {  // what a server answers on a connection
    wire::ReplyParser parser;
    std::deque<Open> open;
  };

  void add_client(std::int64_t number, bool sweeps);
  void next(Client& client);
  bool reach(Client& client);
  void enter(Client& client);
  void send(Client& client, std::vector<Request> requests);
  Request draw(Client& client, Prng& prng);
  Request read(const Client& client, Prng& prng, std::string level, std::size_t r) const;
  void answered(const Request& request, const wire::Reply& reply, const wire::Reply* receipt);
  Request write(Client& client, Prng& prng, std::string level, std::size_t w);
  std::string unique(const Client& client);
  void answered(Client& client, const Request& request, const wire::Reply& reply);
  void record(const Client& client, const Request& request, const wire::Reply* reply);
  void pause(Client& client);
  void look(Client& client);
  void lost(Client& client);

  const Options& options_;
  EventQueue& events_;
  Trace& trace_;
  Access& access_;
  Fail fail_;
  Acked acked_;
  Answered answered_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::map<std::uint64_t, Client*> by_conn_;
  std::map<std::uint64_t, Line> lines_;
  std::vector<HistoryRecord> history_;
  std::uint64_t next_conn_ = kFirstConn;
  std::uint32_t next_session_ = 1'000'000;
  std::int64_t issued_ = 0;
  std::uint64_t values_ = 0;
  std::uint64_t requests_ = 0;
  bool stopping_ = false;
};

}  // namespace kvorum::sim
