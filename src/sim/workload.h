// The clients of a run: they send requests of all kinds and levels, give up, come back, and leave
// the history that is judged. Written values are unique wherever a command allows it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "model/history.h"
#include "sim/events.h"
#include "sim/options.h"
#include "sim/request.h"
#include "sim/trace.h"
#include "wire/reply_parser.h"

namespace kvorum::sim {

// The way to the servers, as clients see it.
class Access {
 public:
  virtual ~Access() = default;
  virtual bool connect(NodeId node, std::uint64_t conn) = 0;  // false: refused
  virtual void request(std::uint64_t conn, Bytes bytes) = 0;
  virtual void disconnect(std::uint64_t conn) = 0;
};

class Workload {
 public:
  using Fail = std::function<void(std::string why)>;

  Workload(const Options& options, EventQueue& events, Trace& trace, Access& access, Fail fail);
  ~Workload();

  void start();
  // No new requests from here on; those that are open go on.
  void stop() { stopping_ = true; }
  bool idle() const;  // nothing is open and nothing more will come
  bool issued_all() const { return issued_ >= static_cast<std::uint64_t>(options_.operations); }
  // Reads every key once, linearizable, with patience.
  void read_finally();

  // From the servers.
  void reply(std::uint64_t conn, ByteView bytes);
  void hung_up(std::uint64_t conn);

  // Ends the run: what is open is recorded as unknown.
  std::vector<HistoryRecord> take_history();
  // Clients no longer leave right after a request.
  void calm() { calm_ = true; }
  std::uint64_t repeated() const { return repeated_; }
  std::uint64_t requests() const { return requests_; }
  std::uint64_t unknown() const { return unknown_; }

 private:
  struct Client;

  void next(Client& client);
  bool reach(Client& client);
  void begin(Client& client);
  void burst(Client& client, bool reads);
  void follow(Client& client);
  void issue(Client& client, Request request);
  void repeat(Client& client);
  void send(Client& client, std::size_t from);
  void answered(Client& client, const wire::Reply& reply);
  void finish(Client& client, Open& open, const wire::Reply* reply);
  void lost(Client& client);
  void pause(Client& client);
  void arm(Client& client);
  void look(Client& client);
  Duration patience(const Client& client) const;
  std::uint32_t fresh_session() { return next_session_++; }

  const Options& options_;
  EventQueue& events_;
  Trace& trace_;
  Access& access_;
  Fail fail_;
  RequestMaker maker_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::map<std::uint64_t, Client*> by_conn_;
  std::vector<HistoryRecord> history_;
  std::uint64_t next_conn_ = 1;
  std::uint32_t next_session_ = 0;
  std::uint64_t issued_ = 0;
  std::uint64_t requests_ = 0;
  std::uint64_t unknown_ = 0;
  std::uint64_t repeated_ = 0;
  bool calm_ = false;
  bool stopping_ = false;
};

}  // namespace kvorum::sim
