#include "sim/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "sim/chance.h"
#include "wire/resp.h"

namespace kvorum::sim {
namespace {

constexpr int kTries = 5;  // of a numbered write
constexpr Duration kReconnect = 5ms;
constexpr Duration kBackOff = 50ms;  // after an error

// Errors that a correct store may answer a correct request with.
constexpr std::array<ByteView, 8> kExpected = {"UNKNOWN", "NOLEADER", "TIMEOUT", "STALE",
                                               "BUSY",    "LOADING",  "TOKEN",   "CROSSSLOT"};

enum class Purpose : std::uint8_t { kLoad, kOpen, kToken, kResume };

std::uint64_t percent(std::int64_t value) { return static_cast<std::uint64_t>(value); }

}  // namespace

struct Waiting {
  Open open;
  Purpose purpose = Purpose::kLoad;
  int tries = 1;
  Instant tried{};  // when it was sent last; the record begins with the first time
};

struct Workload::Client {
  Client(std::uint64_t seed, std::uint32_t its_number)
      : number(its_number),
        kinds(chance_of(seed, "client", number)),
        requests(chance_of(seed, "requests", number)),
        pauses(chance_of(seed, "pauses", number)),
        moves(chance_of(seed, "moves", number)),
        leaves(chance_of(seed, "leaves", number)) {}

  std::uint32_t number = 0;
  Prng kinds, requests, pauses, moves, leaves;
  std::uint32_t session = 0;
  bool once = false;   // numbers its writes
  bool token = false;  // carries its session along
  bool reader = false;
  bool opened = false;
  std::uint64_t seq = 0;
  Instant last_sent{};
  std::string token_text;
  bool token_fresh = false;  // nothing was answered since token_text
  bool resumes = false;      // on the next connection
  std::uint64_t conn = 0;
  NodeId node;
  std::optional<wire::ReplyParser> parser;  // of the connection
  std::deque<Waiting> waiting;
  std::optional<Waiting> again;  // a numbered write to repeat
  std::deque<std::size_t> finals;
  bool reads_finally = false;
  bool armed = false;
  bool idle = false;
  bool rebuffed = false;  // the last answers held an error
};

Workload::Workload(const Options& options, EventQueue& events, Trace& trace, Access& access,
                   Fail fail)
    : options_(options),
      events_(events),
      trace_(trace),
      access_(access),
      fail_(std::move(fail)),
      maker_(options) {}

Workload::~Workload() = default;

void Workload::start() {
  for (std::int64_t i = 0; i < options_.clients; ++i) {
    auto client = std::make_unique<Client>(options_.seed, static_cast<std::uint32_t>(i));
    client->session = fresh_session();
    client->once = client->kinds.chance(percent(options_.once_percent), 100);
    client->token = client->kinds.chance(percent(options_.token_percent), 100);
    client->reader = client->kinds.chance(percent(options_.reader_percent), 100);
    clients_.push_back(std::move(client));
    pause(*clients_.back());
  }
}

void Workload::read_finally() {
  auto client =
      std::make_unique<Client>(options_.seed, static_cast<std::uint32_t>(clients_.size()));
  client->session = fresh_session();
  client->reads_finally = true;
  for (std::size_t key = 0; key < maker_.keys(); ++key) {
    client->finals.push_back(key);
  }
  clients_.push_back(std::move(client));
  next(*clients_.back());
}

bool Workload::idle() const {
  return std::all_of(clients_.begin(), clients_.end(),
                     [](const auto& client) { return client->idle; });
}

void Workload::pause(Client& client) {
  const auto think = client.reads_finally ? 0 : options_.think_us;
  auto wait = draw_exponential(client.pauses, std::chrono::microseconds(think));
  if (std::exchange(client.rebuffed, false)) {
    wait += draw_exponential(client.pauses, kBackOff);
  }
  events_.after(wait, [this, &client] { next(client); });
}

void Workload::next(Client& client) {
  const bool more = client.reads_finally ? !client.finals.empty() : !stopping_ && !issued_all();
  if (!more && !client.again) {
    client.idle = true;
    return;
  }
  if (!reach(client)) {
    events_.after(kReconnect + draw_exponential(client.moves, kReconnect),
                  [this, &client] { next(client); });
    return;
  }
  begin(client);
}

// Whether the client has a connection now.
bool Workload::reach(Client& client) {
  const bool moves = client.token && client.moves.chance(percent(options_.move_percent), 100);
  if (client.conn != 0 && moves) {
    access_.disconnect(client.conn);
    lost(client);
  }
  if (client.conn != 0) {
    return true;
  }
  client.node = NodeId(1 + static_cast<std::uint32_t>(client.moves.below(percent(options_.nodes))));
  const auto conn = next_conn_++;
  if (!access_.connect(client.node, conn)) {
    return false;
  }
  client.conn = conn;
  by_conn_[conn] = &client;
  client.parser.emplace();
  return true;
}

// A burst of requests in one packet, from a client that waits for nothing.
void Workload::begin(Client& client) {
  const auto from = client.waiting.size();
  const auto add = [&client](Purpose purpose, std::vector<std::string> args) {
    Waiting waiting;
    waiting.purpose = purpose;
    waiting.open.request.args = std::move(args);
    waiting.open.request.answer = Answer::kNotRecorded;
    client.waiting.push_back(std::move(waiting));
  };
  if (std::exchange(client.resumes, false)) {
    add(Purpose::kResume, {"KV.SESSION", client.token_text});
  }
  if (client.once && !client.opened) {
    add(Purpose::kOpen, {"KV.ONCE", "OPEN", fmt::to_string(client.number + 1)});
    return send(client, from);
  }
  if (client.again) {
    client.waiting.push_back(std::move(*client.again));
    client.again.reset();
    return send(client, from);
  }
  if (client.reads_finally) {
    issue(client, maker_.final_read(client.finals.front()));
    return send(client, from);
  }
  burst(client, client.reader);
  if (client.token) {
    add(Purpose::kToken, {"KV.SESSION"});
  }
  send(client, from);
  follow(client);
}

void Workload::burst(Client& client, bool reads) {
  const auto burst = client.once ? 1 : 1 + client.requests.below(percent(options_.pipeline));
  for (std::uint64_t i = 0; i < burst && !issued_all(); ++i) {
    ++issued_;
    Prng prng(client.requests.next());  // of this request: however much it draws
    issue(client, reads ? maker_.read(prng) : maker_.draw(prng, client.number));
  }
}

// Another packet while the one before it is on its way, if that has not been answered by then:
// mostly reads, which must not lean on writes that went before them.
void Workload::follow(Client& client) {
  if (options_.pipeline == 1 || client.once || !client.requests.chance(7, 8)) {
    return;
  }
  const auto mean = std::chrono::microseconds(options_.delay_mean_us + options_.disk_mean_us / 2);
  events_.after(draw_exponential(client.requests, mean), [this, &client, conn = client.conn] {
    if (client.conn == conn && !client.waiting.empty() && !stopping_ && !issued_all()) {
      const auto from = client.waiting.size();
      burst(client, client.reader || client.requests.chance(3, 4));
      send(client, from);
      follow(client);
    }
  });
}

void Workload::issue(Client& client, Request request) {
  const bool numbered =
      client.once && request.answer != Answer::kNotRecorded && request.record.op != HistoryOp::kGet;
  if (numbered) {
    request.args.insert(request.args.begin(), {"KV.ONCE", fmt::to_string(client.number + 1),
                                               fmt::to_string(++client.seq)});
  }
  Waiting waiting;
  waiting.open.request = std::move(request);
  // A client's requests start one after another, so that their order can be told: also those of one
  // packet, and one that is sent elsewhere at the instant in which the one before was given up.
  const auto behind = Duration(static_cast<std::int64_t>(client.waiting.size()));
  client.last_sent = std::max(events_.now() + behind, client.last_sent + Duration(1));
  waiting.open.sent = client.last_sent;
  client.waiting.push_back(std::move(waiting));
}

void Workload::send(Client& client, std::size_t from) {
  Bytes bytes;
  std::vector<ByteView> args;
  for (auto i = from; i < client.waiting.size(); ++i) {
    auto& open = client.waiting[i].open;
    client.waiting[i].tried = events_.now();
    repeated_ += client.waiting[i].tries > 1 ? 1 : 0;
    if (open.sent == Instant{}) {
      open.sent = events_.now();
    }
    args.assign(open.request.args.begin(), open.request.args.end());
    wire::append_request(args, bytes);
    ++requests_;
  }
  trace_.event(events_.now(), "request", client.number, client.conn, client.waiting.size() - from,
               bytes.size());
  access_.request(client.conn, std::move(bytes));
  arm(client);
  if (!calm_ && client.leaves.chance(percent(options_.hang_up_ppm), 1'000'000)) {
    access_.disconnect(client.conn);
    lost(client);
  }
}

// The final reads have more patience than any server.
Duration Workload::patience(const Client& client) const {
  using std::chrono::milliseconds;
  const auto own = milliseconds(options_.give_up_ms);
  return client.reads_finally ? own + milliseconds(options_.request_timeout_ms) + 1s : own;
}

void Workload::arm(Client& client) {
  if (client.armed || client.waiting.empty()) {
    return;
  }
  client.armed = true;
  events_.at(std::max(client.waiting.front().tried + patience(client), events_.now()),
             [this, &client] { look(client); });
}

// Is the oldest request still worth waiting for?
void Workload::look(Client& client) {
  client.armed = false;
  if (!client.waiting.empty() && client.waiting.front().tried + patience(client) <= events_.now()) {
    trace_.event(events_.now(), "gives up", client.number, client.conn);
    access_.disconnect(client.conn);
    lost(client);
  }
  arm(client);
}

void Workload::reply(std::uint64_t conn, ByteView bytes) {
  const auto found = by_conn_.find(conn);
  if (found == by_conn_.end()) {
    return;
  }
  auto& client = *found->second;
  client.parser->feed(bytes);
  while (client.conn == conn) {
    const auto reply = client.parser->next();
    if (!reply) {
      return fail_(fmt::format("client {} got bytes that are no reply: {}", client.number,
                               to_string(reply.error())));
    }
    if (!*reply) {
      break;
    }
    if (client.waiting.empty()) {
      return fail_(fmt::format("client {} got a reply that it did not ask for", client.number));
    }
    answered(client, **reply);
  }
  if (client.conn == conn && client.waiting.empty()) {
    pause(client);
  }
}

void Workload::answered(Client& client, const wire::Reply& reply) {
  auto waiting = std::move(client.waiting.front());
  client.waiting.pop_front();
  const auto code = ByteView(reply.text).substr(0, reply.text.find(' '));
  const bool recorded = waiting.open.request.answer != Answer::kNotRecorded;
  if (recorded && reply.is_error() &&
      std::find(kExpected.begin(), kExpected.end(), code) == kExpected.end()) {
    return fail_(fmt::format("{} {} was answered -{}", waiting.open.request.args.front(),
                             waiting.open.request.record.key, reply.text));
  }
  client.rebuffed = client.rebuffed || reply.is_error();
  switch (waiting.purpose) {
    case Purpose::kOpen:
      client.opened = !reply.is_error();
      return;
    case Purpose::kToken:
      client.token_fresh = !reply.is_error();
      client.token_text = reply.text;
      return;
    case Purpose::kResume:
      if (reply.is_error()) {
        client.session = fresh_session();
      }
      return;
    case Purpose::kLoad:
      break;
  }
  client.token_fresh = false;
  const bool numbered = waiting.open.request.args.front() == "KV.ONCE";
  if (numbered && reply.is_error() && waiting.tries < kTries && !stopping_) {
    ++waiting.tries;
    client.again = std::move(waiting);
    return;
  }
  if (code == "LOADING") {
    --issued_;  // the cluster is still forming
  }
  // A definite error says nothing of the tries before it.
  const bool tried_before = waiting.tries > 1 && reply.is_error();
  finish(client, waiting.open, tried_before ? nullptr : &reply);
}

void Workload::finish(Client& client, Open& open, const wire::Reply* reply) {
  auto& request = open.request;
  if (request.answer == Answer::kNotRecorded && !request.flushes) {
    return;
  }
  auto& record = request.record;
  if (request.flushes) {
    record.op = HistoryOp::kDelete;
  }
  conclude(request, reply);
  record.client = client.session;
  record.node = client.node.value();
  record.start_ns = open.sent.time_since_epoch().count();
  record.end_ns = events_.now().time_since_epoch().count();
  unknown_ += record.ended == Ended::kUnknown ? 1 : 0;
  trace_.event(events_.now(), "finished", client.number, static_cast<std::uint64_t>(record.ended),
               static_cast<std::uint64_t>(record.op));
  if (record.final) {
    if (record.ended == Ended::kOk) {
      client.finals.pop_front();
    }
  }
  if (request.flushes) {
    for (std::size_t key = 0; key < maker_.keys(); ++key) {
      record.key = maker_.key(key);
      record.client = fresh_session();
      history_.push_back(record);
    }
  } else if (record.op != HistoryOp::kGet || record.ended == Ended::kOk) {
    history_.push_back(std::move(record));
  }
}

// What is still open has an unknown outcome.
std::vector<HistoryRecord> Workload::take_history() {
  for (auto& client : clients_) {
    for (auto& waiting : std::exchange(client->waiting, {})) {
      if (waiting.purpose == Purpose::kLoad) {
        finish(*client, waiting.open, nullptr);
      }
    }
    if (client->again) {
      finish(*client, client->again->open, nullptr);
      client->again.reset();
    }
  }
  return std::move(history_);
}

void Workload::hung_up(std::uint64_t conn) {
  const auto found = by_conn_.find(conn);
  if (found != by_conn_.end()) {
    lost(*found->second);
  }
}

// The connection is gone: nobody knows what became of the open requests.
void Workload::lost(Client& client) {
  by_conn_.erase(client.conn);
  client.conn = 0;
  const bool waited = !client.waiting.empty();
  for (auto& waiting : std::exchange(client.waiting, {})) {
    const bool numbered =
        waiting.open.request.args.front() == "KV.ONCE" && waiting.purpose == Purpose::kLoad;
    if (numbered && waiting.tries < kTries && !stopping_) {
      ++waiting.tries;
      client.again = std::move(waiting);
    } else if (waiting.purpose == Purpose::kLoad) {
      finish(client, waiting.open, nullptr);
    }
  }
  client.resumes = client.token && client.token_fresh;
  if (!client.resumes) {
    client.session = fresh_session();
  }
  if (waited) {
    pause(client);
  }
}

}  // namespace kvorum::sim
