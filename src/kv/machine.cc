#include "kv/machine.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "base/parse.h"
#include "kv/execute.h"
#include "kv/kept_reply.h"
#include "kv/state.h"

namespace kvorum::kv {
namespace {

// A node's stream is closed for idleness only above this many: a node without writes keeps its
// place, and boots that were replaced can't pile up for ever.
constexpr std::size_t kNodeClients = 1024;
// KV.ONCE clients that may be open at a time; above: kBusy.
constexpr std::size_t kMaxOnceClients = 16384;
// How many commands ahead a row is asked for: the time of a cache miss is that of a few commands.
constexpr std::size_t kPrefetch = 4;
// Of prepared commands, what is kept for the next run.
constexpr std::size_t kKeptPrepared = 1024;
constexpr std::size_t kKeptArgs = 64;

bool may_be_numbered(Op op) {
  return op != Op::kOnce && op != Op::kOpenClient && op != Op::kCloseClient;
}

}  // namespace

Machine::Machine(PartitionId partition, const Options& options)
    : state_(std::make_unique<State>(partition, options)) {}
Machine::~Machine() = default;
Machine::Machine(Machine&&) noexcept = default;
Machine& Machine::operator=(Machine&&) noexcept = default;

void Machine::apply(const Entry& entry, Observer& observer) {
  CHECK_EQ(entry.index, state_->applied.next());
  state_->applied = entry.index;
  state_->term = entry.term;
  state_->move_log_time(entry.stamp);
  if (entry.type == EntryType::kCommands) {
    state_->apply_runs(*entry.payload, entry.index, observer);
  }
}

void Machine::State::move_log_time(WallMs stamp) {
  log_time = std::max(log_time, stamp);
  table.purge(log_time);
  std::int64_t since = 0;
  if (!__builtin_sub_overflow(log_time.value(), options.client_idle_ms, &since)) {
    nodes.close_idle(WallMs(since), kNodeClients);
    once_clients.close_idle(WallMs(since), 0);
  }
}

std::uint64_t Machine::State::next_of(ClientId client) const {
  const auto* known = nodes.find(client);
  return known != nullptr ? known->next : 1;
}

void Machine::State::apply_runs(ByteView payload, Index index, Observer& observer) {
  Reader reader(payload);
  std::size_t position = 0;
  while (!reader.rest().empty()) {
    const auto head = decode_run_head(reader);
    if (!head) {
      return;  // nobody's: where a next run would begin is not known either
    }
    const auto body = reader.take(head->bytes);
    const bool fits = head->count <= kMaxEntryCommands - position;
    if (!fits || !prepare(body, head->count)) {
      observer.refused(head->client, next_of(head->client));
      continue;
    }
    if (apply_run(*head, Version::at(index, static_cast<std::uint16_t>(position)), observer)) {
      position += head->count;
    }
  }
}

// Decodes the whole run before any of it is applied. False: the bytes are not `count` commands and
// nothing else.
bool Machine::State::prepare(ByteView body, std::uint32_t count) {
  if (prepared.size() > kKeptPrepared) {
    prepared.resize(kKeptPrepared);
    prepared.shrink_to_fit();
  }
  Reader reader(body);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i == prepared.size()) {
      prepared.emplace_back();
    }
    auto& [command, first] = prepared[i];
    if (command.args.capacity() > kKeptArgs) {
      command = Command();
    }
    if (!kvorum::decode(reader, command)) {
      return false;
    }
    if (!command.args.empty() && command.op != Op::kOnce) {
      first = KeyRef(command.args[0]);
      table.rows().prefetch_bucket(first.slot, first.hash);
    }
  }
  return reader.done();
}

// False: nothing of it was applied.
bool Machine::State::apply_run(const RunHead& head, Version first, Observer& observer) {
  const auto expected = next_of(head.client);
  if (head.first_seq > expected) {
    observer.refused(head.client, expected);
    return false;
  }
  const auto skip = expected - head.first_seq;
  if (skip >= head.count) {
    return false;
  }
  nodes.touch(head.client, log_time).next = head.first_seq + head.count;
  for (std::size_t i = skip; i < head.count; ++i) {
    if (i + kPrefetch < head.count) {
      const auto& ahead = prepared[i + kPrefetch].first;
      table.rows().prefetch_row(ahead.slot, ahead.hash);
    }
    const Version version{first.packed + i};
    const auto seq = head.first_seq + i;
    execute(prepared[i].command, prepared[i].first, {version, observer.before(head.client, seq)});
    observer.after(head.client, seq, version);
  }
  return true;
}

void Machine::State::execute(const Command& command, const KeyRef& first, Place place) {
  if (!well_formed(command)) {
    return place.reply.error({ErrorCode::kGeneric, "malformed command"});
  }
  switch (command.op) {
    case Op::kFlush:
      flush();
      return place.reply.status("OK");
    case Op::kOpenClient:
      return open_client(ClientId(static_cast<std::uint64_t>(command.number)), place.reply);
    case Op::kCloseClient:
      return place.reply.integer(
          once_clients.remove(ClientId(static_cast<std::uint64_t>(command.number))) ? 1 : 0);
    case Op::kOnce:
      return once(command, place);
    default:
      break;
  }
  if (is_write(command.op)) {
    kv::write(command,
              {table, options.max_value_bytes, log_time, place.version, place.reply, first});
  } else {
    kv::read(command,
             {table, log_time, place.reply});  // KV.ONCE GET: a read at its place in the log
  }
}

void Machine::State::flush() {
  garbage.push_back(table.drop());
  dropped = dropped.value_or(generation);
  generation = generation.next();
  // Clients live on, but their rows on disk go with the old generation.
  nodes.all_dirty();
  once_clients.all_dirty();
}

void Machine::State::open_client(ClientId id, ReplyWriter& reply) {
  if (once_clients.find(id) == nullptr && once_clients.size() >= kMaxOnceClients) {
    return reply.error({ErrorCode::kBusy, {}});
  }
  once_clients.touch(id, log_time);  // opened again: it keeps what it had
  reply.integer(static_cast<std::int64_t>(id.value()));
}

void Machine::State::once(const Command& command, Place place) {
  const ClientId id(static_cast<std::uint64_t>(command.number));
  const auto seq = static_cast<std::uint64_t>(command.number2);
  const auto mark = parse_number<std::uint64_t>(command.args[1]);
  Reader reader(command.args[0]);
  Command inner;
  if (command.number2 < 0 || !mark || !kvorum::decode(reader, inner) || !reader.done() ||
      !well_formed(inner) || !may_be_numbered(inner.op)) {
    return place.reply.error({ErrorCode::kGeneric, "malformed command"});
  }
  if (once_clients.find(id) == nullptr) {
    return place.reply.error({ErrorCode::kUnknown, {}});
  }
  auto& client = once_clients.touch(id, log_time);
  client.raise_mark(*mark);
  if (seq < client.mark) {
    return place.reply.error({ErrorCode::kUnknown, {}});
  }
  if (const auto kept = client.replies.find(seq);
      kept != client.replies.end() && !KVORUM_MUTANT(kSkipDedup)) {
    CHECK(replay(kept->second, place.reply));
    return;
  }
  if (client.replies.size() >= options.once_window || client.bytes >= options.once_bytes) {
    return place.reply.error({ErrorCode::kBusy, {}});
  }
  Bytes kept;
  ReplyRecorder recorder(kept);
  execute(inner, KeyRef(inner.args.empty() ? ByteView() : inner.args[0]),
          {place.version, recorder});
  CHECK(replay(kept, place.reply));
  client.keep(seq, std::move(kept));
}

Version Machine::read(const Command& command, const ReadContext& context,
                      ReplyWriter& reply) const {
  if (is_write(command.op) || !well_formed(command)) {
    reply.error({ErrorCode::kGeneric, "malformed command"});
    return {};
  }
  return kv::read(command, {state_->table, std::max(context.wall, state_->log_time), reply});
}

std::optional<Bytes> Machine::get(ByteView key) const {
  const auto* row = state_->table.find(key);
  return row != nullptr ? std::optional<Bytes>(row->value()) : std::nullopt;
}

void Machine::each(const std::function<void(ByteView, ByteView)>& visit) const {
  std::vector<const Row*> rows;
  for (std::uint64_t position = 0; position < Rows::kEnd;) {
    rows.clear();
    state_->table.rows().next_bucket(position, rows);
    for (const auto* row : rows) {
      if (!row->gone()) {
        visit(row->key(), row->value());
      }
    }
  }
}

std::uint64_t Machine::next_of(ClientId client) const { return state_->next_of(client); }

Index Machine::applied() const { return state_->applied; }
Term Machine::applied_term() const { return state_->term; }
WallMs Machine::log_time() const { return state_->log_time; }
std::size_t Machine::size() const { return state_->table.size(); }
std::optional<WallMs> Machine::next_deadline() const { return state_->table.next_deadline(); }
std::uint64_t Machine::digest() const { return state_->table.digest(); }
Generation Machine::generation() const { return state_->generation; }

std::size_t Machine::memory_bytes() const {
  auto bytes = state_->table.memory_bytes();
  for (const auto& rows : state_->garbage) {
    bytes += rows.memory_bytes();
  }
  return bytes;
}

bool Machine::free_some() {
  auto& garbage = state_->garbage;
  if (!garbage.empty() && !garbage.back().free_slice(state_->options.free_slice)) {
    garbage.pop_back();
  }
  return !garbage.empty();
}

}  // namespace kvorum::kv
