#include "sim/free_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/parse.h"
#include "sim/chance.h"
#include "wire/resp.h"

namespace kvorum::sim {
namespace {

using Type = wire::Reply::Type;

constexpr Duration kReconnect = 5ms;
constexpr Duration kBackOff = 50ms;  // after an error

// Errors that a correct store may answer a correct request with.
constexpr std::array<ByteView, 10> kExpected = {"UNKNOWN",  "TIMEOUT", "NOQUORUM", "CLOCK",
                                                "BUSY",     "LOADING", "SIBLINGS", "NOKEYSPACE",
                                                "NOLEADER", "STALE"};

struct Space {
  const char* name;
  const char* words;  // of KV.KEYSPACE CREATE; null: it is there from the start
  bool siblings;
};
// Not `lexical`, whose rule may drop what was never concurrent.
constexpr std::array<Space, 4> kSpaces = {{
    {"fast", nullptr, false},
    {"safe", "durability=fsync partitions=2", false},
    {"cart", "conflict=siblings partitions=2", true},
    {"vault", "conflict=siblings durability=fsync partitions=1", true},
}};

constexpr Space kSweptSpace = {FreeLoad::kSwept, "partitions=1", false};

std::uint64_t percent(std::int64_t value) { return static_cast<std::uint64_t>(value); }

std::vector<std::string> words(const char* text) {
  std::vector<std::string> out(1);
  for (; *text != '\0'; ++text) {
    if (*text == ' ') {
      out.emplace_back();
    } else {
      out.back() += *text;
    }
  }
  return out;
}

// A receipt's field; empty: it has none.
std::string field(const wire::Reply& receipt, ByteView name) {
  for (std::size_t i = 0; i + 1 < receipt.elements.size(); i += 2) {
    if (receipt.elements[i].text == name) {
      return receipt.elements[i + 1].text;
    }
  }
  return {};
}

// "n3:00000000000000ff:17"
std::optional<Dot> parse_dot(const std::string& text) {
  const auto first = text.find(':');
  const auto second = text.find(':', first + 1);
  if (text.empty() || text.front() != 'n' || second == std::string::npos) {
    return std::nullopt;
  }
  const ByteView view = text;
  const auto node = parse_number<std::uint32_t>(view.substr(1, first - 1));
  const auto life = parse_number<std::uint64_t>(view.substr(first + 1, second - first - 1), 16);
  const auto counter = parse_number<std::uint64_t>(view.substr(second + 1));
  if (!node || !life || !counter) {
    return std::nullopt;
  }
  return Dot{{NodeId(*node), Incarnation(*life)}, *counter};
}

// An answer and its receipt, if it came with one.
struct Answer {
  const wire::Reply& reply;
  const wire::Reply* receipt = nullptr;
};
Answer answer_of(const wire::Reply& reply, const std::vector<std::string>& args) {
  const bool with =
      args.front() == "KV.RECEIPT" && reply.type == Type::kArray && reply.elements.size() == 2;
  return with ? Answer{reply.elements[0], &reply.elements[1]} : Answer{reply};
}

}  // namespace

struct FreeLoad::Client {
  Client(std::uint64_t seed, std::uint32_t its_number, bool sweeps)
      : number(its_number),
        requests(chance_of(seed, "leaderless requests", number)),
        pauses(chance_of(seed, "leaderless pauses", number)),
        moves(chance_of(seed, "leaderless moves", number)),
        space(
            sweeps
                ? &kSweptSpace
                : &kSpaces[chance_of(seed, "leaderless keyspace", number).below(kSpaces.size())]) {}

  bool sweeps() const { return space == &kSweptSpace; }

  std::uint32_t number;
  Prng requests, pauses, moves;
  const Space* space;
  std::uint32_t session = 0;
  std::map<std::string, std::string> contexts;  // by key: what it has seen
  std::uint64_t conn = 0;
  NodeId node;
  std::optional<wire::ReplyParser> parser;  // of the connection
  std::deque<Open> open;
  Instant last_sent{};
  bool entered = false;
  bool rebuffed = false;
  bool armed = false;
  bool idle = false;
};

FreeLoad::FreeLoad(const Options& options, EventQueue& events, Trace& trace, Access& access,
                   Fail fail, Acked acked, Answered answered)
    : options_(options),
      events_(events),
      trace_(trace),
      access_(access),
      fail_(std::move(fail)),
      acked_(std::move(acked)),
      answered_(std::move(answered)) {}

FreeLoad::~FreeLoad() = default;

void FreeLoad::start() {
  for (std::int64_t i = 0; i < options_.free_clients + options_.sweepers; ++i) {
    add_client(i, i >= options_.free_clients);
  }
}

void FreeLoad::add_client(std::int64_t number, bool sweeps) {
  auto client = std::make_unique<Client>(options_.seed, static_cast<std::uint32_t>(number), sweeps);
  client->session = next_session_++;
  clients_.push_back(std::move(client));
  pause(*clients_.back());
}

bool FreeLoad::idle() const {
  return std::all_of(clients_.begin(), clients_.end(),
                     [](const auto& client) { return client->idle; });
}

void FreeLoad::pause(Client& client) {
  auto wait = draw_exponential(client.pauses, std::chrono::microseconds(options_.free_think_us));
  if (std::exchange(client.rebuffed, false)) {
    wait += draw_exponential(client.pauses, kBackOff);
  }
  events_.after(wait, [this, &client] { next(client); });
}

void FreeLoad::next(Client& client) {
  if (stopping_ || issued_ >= options_.free_operations) {
    client.idle = true;
    return;
  }
  if (!reach(client)) {
    events_.after(kReconnect + draw_exponential(client.moves, kReconnect),
                  [this, &client] { next(client); });
    return;
  }
  if (!client.entered) {
    return enter(client);
  }
  const auto burst = 1 + client.requests.below(percent(options_.pipeline));
  std::vector<Request> requests;
  for (std::uint64_t i = 0; i < burst && issued_ < options_.free_operations; ++i) {
    ++issued_;
    Prng prng(client.requests.next());
    requests.push_back(draw(client, prng));
  }
  send(client, std::move(requests));
}

bool FreeLoad::reach(Client& client) {
  if (client.conn != 0) {
    return true;
  }
  client.node = NodeId(1 + static_cast<std::uint32_t>(client.moves.below(percent(options_.nodes))));
  const auto conn = next_conn_++;
  if (!access_.connect(client.node, conn)) {
    return false;
  }
  client.conn = conn;
  client.entered = false;
  by_conn_[conn] = &client;
  client.parser.emplace();
  return true;
}

// Somebody must create the keyspace; it may be another client, or have been long ago.
void FreeLoad::enter(Client& client) {
  std::vector<Request> requests;
  if (client.space->words != nullptr) {
    auto& create = requests.emplace_back();
    create.purpose = Purpose::kCreate;
    create.args = {"KV.KEYSPACE", "CREATE", client.space->name, "leaderless"};
    const auto more = words(client.space->words);
    create.args.insert(create.args.end(), more.begin(), more.end());
  }
  auto& select = requests.emplace_back();
  select.purpose = Purpose::kSelect;
  select.args = {"SELECT", client.space->name};
  send(client, std::move(requests));
}

void FreeLoad::send(Client& client, std::vector<Request> requests) {
  Bytes bytes;
  std::vector<ByteView> args;
  for (auto& request : requests) {
    client.last_sent = std::max(events_.now(), client.last_sent + Duration(1));
    request.sent = client.last_sent;
    args.assign(request.args.begin(), request.args.end());
    wire::append_request(args, bytes);
    ++requests_;
    client.open.push_back(std::make_shared<Request>(std::move(request)));
    lines_[client.conn].open.push_back(client.open.back());
  }
  trace_.event(events_.now(), "request", client.number, client.conn, requests.size(), bytes.size());
  access_.request(client.conn, std::move(bytes));
  look(client);
}

// Is the oldest request still worth waiting for?
void FreeLoad::look(Client& client) {
  if (client.armed || client.open.empty()) {
    return;
  }
  client.armed = true;
  const auto patience = std::chrono::milliseconds(options_.give_up_ms);
  events_.at(std::max(client.open.front()->sent + patience, events_.now()),
             [this, &client, patience] {
               client.armed = false;
               if (!client.open.empty() && client.open.front()->sent + patience <= events_.now()) {
                 trace_.event(events_.now(), "gives up", client.number, client.conn);
                 access_.disconnect(client.conn);
                 lost(client);
               }
               look(client);
             });
}

std::string FreeLoad::unique(const Client& client) {
  auto value = fmt::format("f{}.{}", client.number, ++values_);
  if (options_.memory_budget > 0) {
    value.resize(100, ' ');  // so long that it is worth a read of the disk
  }
  return value;
}

FreeLoad::Request FreeLoad::draw(Client& client, Prng& prng) {
  if (client.sweeps() && prng.chance(1, 12)) {
    Request request;
    request.purpose = Purpose::kSweep;
    request.args = {"FLUSHDB"};
    return request;
  }
  const auto n = std::min<std::uint64_t>(3, percent(options_.nodes));
  const auto count = 1 + prng.below(n);
  const bool reads = prng.chance(percent(options_.read_percent), 100);
  struct Choice {
    std::string word;
    std::uint64_t w;
  };
  const std::array<Choice, 5> choices = {{
      {"", 1},
      {"one", 1},
      {"quorum", n / 2 + 1},
      {"all", n},
      {fmt::format("{}={}", reads ? 'r' : 'w', count), count},
  }};
  auto choice = choices[prng.below(choices.size())];
  if (options_.free_level > 0) {
    choice = choices[percent(options_.free_level)];
  }
  if (reads) {
    return read(client, prng, std::move(choice.word), choice.w);
  }
  if (choice.w > 1 && prng.chance(percent(options_.sloppy_percent), 100)) {
    choice.word = fmt::format("w={},sloppy", choice.w);
  }
  return write(client, prng, std::move(choice.word), choice.w);
}

FreeLoad::Request FreeLoad::read(const Client& client, Prng& prng, std::string level,
                                 std::size_t r) const {
  const auto key = [&] { return fmt::format("k{}", prng.below(percent(options_.free_keys))); };
  Request request;
  request.keyspace = client.space->name;
  request.r = r;
  request.level = level.empty() ? "one" : level;
  if (!level.empty()) {
    request.args = {"KV.AT", std::move(level)};
  }
  request.reads.push_back(key());
  switch (prng.below(10)) {
    case 0:
    case 1:
      request.reads.push_back(key());
      request.counts = prng.chance(1, 2);
      request.args.emplace_back(request.counts ? "EXISTS" : "MGET");
      break;
    case 2:
      request.reads.front() = "t" + request.reads.front();
      request.args.emplace_back("GET");
      break;
    default:
      if (client.space->siblings) {
        request.args.insert(request.args.begin(), "KV.RECEIPT");
      }
      request.args.emplace_back("GET");
  }
  request.args.insert(request.args.end(), request.reads.begin(), request.reads.end());
  return request;
}

FreeLoad::Request FreeLoad::write(Client& client, Prng& prng, std::string level, std::size_t w) {
  Request request;
  request.level = level.empty() ? "one" : level;
  const auto add = [&] {
    auto& write = request.writes.emplace_back();
    write.keyspace = client.space->name;
    write.key = fmt::format("k{}", prng.below(percent(options_.free_keys)));
    write.value = unique(client);
    write.w = w;
  };
  add();
  auto& first = request.writes.front();
  auto& args = request.args;
  const auto kind = prng.below(10);
  args.emplace_back("KV.RECEIPT");
  if (!level.empty()) {
    args.insert(args.end(), {"KV.AT", std::move(level)});
  }
  if (kind == 0) {
    add();
    args.emplace_back("MSET");
    if (request.writes[0].key == request.writes[1].key) {
      request.writes.pop_back();
    }
    for (const auto& write : request.writes) {
      args.insert(args.end(), {write.key, write.value});
    }
    return request;
  }
  if (kind == 1) {
    first.key = "t" + first.key;
    args.insert(args.end(),
                {"PSETEX", first.key, fmt::to_string(1 + prng.below(3000)), first.value});
    return request;
  }
  if (const auto seen = client.contexts.find(first.key);
      client.space->siblings && seen != client.contexts.end() && prng.chance(1, 2)) {
    const auto context = dynamo::parse_context(seen->second);
    CHECK(context.has_value(), "a context that a server gave");
    first.seen = *context;
    args.insert(args.end(), {"KV.CONTEXT", seen->second});
  }
  if (kind < 5) {
    first.deletes = true;
    first.value.clear();
    args.insert(args.end(), {"DEL", first.key});
  } else {
    args.insert(args.end(), {"SET", first.key, first.value});
  }
  return request;
}

void FreeLoad::leaves(std::uint64_t conn, ByteView bytes) {
  auto& line = lines_.at(conn);
  line.parser.feed(bytes);
  for (auto reply = line.parser.next(); reply && *reply; reply = line.parser.next()) {
    if (line.open.empty()) {
      return fail_(fmt::format("connection {} got a reply that was not asked for", conn));
    }
    const auto open = std::move(line.open.front());
    line.open.pop_front();
    const auto answer = answer_of(**reply, open->args);
    if (answer.reply.is_error()) {
      continue;
    }
    FreeAck ack;
    if (answer.receipt != nullptr) {
      if (open->writes.size() == 1) {  // else it is the first one's
        ack.dot = parse_dot(field(*answer.receipt, "version"));
      }
      ack.stand_ins = field(*answer.receipt, "stand-ins") == "yes";
    }
    for (const auto& write : open->writes) {
      acked_(write, ack);
    }
    answered(*open, answer.reply, answer.receipt);
  }
}

void FreeLoad::answered(const Request& request, const wire::Reply& reply,
                        const wire::Reply* receipt) {
  for (std::size_t i = 0; i < request.reads.size() && !request.counts; ++i) {
    const auto& value = request.reads.size() > 1 ? reply.elements[i] : reply;
    FreeRead read{request.keyspace, request.reads[i], request.r, request.sent, {}, {}};
    if (value.type == Type::kBulk && !value.is_nil()) {
      read.value = value.text;
    }
    if (receipt != nullptr) {
      const auto seen = dynamo::parse_context(field(*receipt, "context"));
      CHECK(seen.has_value(), "a context that a server gave");
      read.has_seen = *seen;
    }
    answered_(read);
  }
}

void FreeLoad::reply(std::uint64_t conn, ByteView bytes) {
  const auto found = by_conn_.find(conn);
  if (found == by_conn_.end()) {
    return;
  }
  auto& client = *found->second;
  client.parser->feed(bytes);
  while (client.conn == conn) {
    const auto reply = client.parser->next();
    if (!reply || (*reply && client.open.empty())) {
      return fail_(fmt::format("client {} of {} got what it did not ask for", client.number,
                               client.space->name));
    }
    if (!*reply) {
      break;
    }
    const auto open = std::move(client.open.front());
    client.open.pop_front();
    answered(client, *open, **reply);
  }
  if (client.conn == conn && client.open.empty()) {
    pause(client);
  }
}

void FreeLoad::answered(Client& client, const Request& request, const wire::Reply& reply) {
  const auto answer = answer_of(reply, request.args);
  const auto code = ByteView(answer.reply.text).substr(0, answer.reply.text.find(' '));
  const bool error = answer.reply.is_error();
  client.rebuffed = client.rebuffed || (error && request.purpose != Purpose::kCreate);
  if (request.purpose == Purpose::kSelect) {
    client.entered = !error;
  }
  if (request.purpose != Purpose::kWork) {
    return;
  }
  if (error && std::find(kExpected.begin(), kExpected.end(), code) == kExpected.end()) {
    std::string asked;
    for (const auto& word : request.args) {
      asked += word + ' ';
    }
    return fail_(
        fmt::format("{}in {} was answered -{}", asked, client.space->name, answer.reply.text));
  }
  if (!error && answer.receipt != nullptr) {
    const auto& key = request.reads.empty() ? request.writes.front().key : request.reads.front();
    client.contexts[key] = field(*answer.receipt, "context");
  }
  record(client, request, &reply);
}

void FreeLoad::record(const Client& client, const Request& request, const wire::Reply* reply) {
  if (client.sweeps()) {
    return;
  }
  HistoryRecord record;
  record.client = client.session;
  record.node = client.node.value();
  record.level = request.level;
  record.start_ns = request.sent.time_since_epoch().count();
  record.end_ns = events_.now().time_since_epoch().count();
  const wire::Reply* answer = reply == nullptr ? nullptr : &answer_of(*reply, request.args).reply;
  const bool error = answer != nullptr && answer->is_error();
  const auto add = [&](const std::string& key) {
    record.key = fmt::format("{}/{}", client.space->name, key);
    if (key.front() != 't') {
      history_.push_back(record);
    }
    record.client = next_session_++;  // several keys are not one operation, nor in an order
  };
  const bool unknown = answer == nullptr || answer->text.starts_with("UNKNOWN");
  record.ended = unknown ? Ended::kUnknown : error ? Ended::kFailed : Ended::kOk;
  record.err = error && !unknown ? answer->text : "";
  for (const auto& write : request.writes) {
    record.op = write.deletes ? HistoryOp::kDelete : HistoryOp::kPut;
    record.value = write.deletes ? std::nullopt : std::optional(write.value);
    add(write.key);
  }
  if (answer == nullptr || error || request.counts) {
    return;
  }
  record.op = HistoryOp::kGet;
  const bool many = request.reads.size() > 1;
  for (std::size_t i = 0; i < request.reads.size(); ++i) {
    const auto& value = many ? answer->elements[i] : *answer;
    if (value.is_nil() || value.type == Type::kBulk) {  // no siblings
      record.value = value.is_nil() ? std::nullopt : std::optional(value.text);
      add(request.reads[i]);
    }
  }
}

void FreeLoad::hung_up(std::uint64_t conn) {
  const auto found = by_conn_.find(conn);
  if (found != by_conn_.end()) {
    lost(*found->second);
  }
}

// The connection is gone: nobody knows what became of the open requests.
void FreeLoad::lost(Client& client) {
  by_conn_.erase(client.conn);
  lines_.erase(client.conn);
  client.conn = 0;
  const bool waited = !client.open.empty();
  for (const auto& open : std::exchange(client.open, {})) {
    if (open->purpose == Purpose::kWork) {
      record(client, *open, nullptr);
    }
  }
  client.session = next_session_++;
  if (waited) {
    pause(client);
  }
}

std::vector<HistoryRecord> FreeLoad::take_history() {
  for (const auto& client : clients_) {
    for (const auto& open : std::exchange(client->open, {})) {
      if (open->purpose == Purpose::kWork) {
        record(*client, *open, nullptr);
      }
    }
  }
  return std::move(history_);
}

}  // namespace kvorum::sim
