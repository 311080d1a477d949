// How the state lies on disk and travels in snapshots (docs/store.md).
//
//   row key      'r' slot(u16, big-endian) key     value: version(u64) timed(u8) [deadline(i64)]
//   bytes node client  'c' id(u64, big-endian)           value: last use(i64) next(varint) once
//   client  'o' id(u64, big-endian)           value: last use(i64) mark, count, (seq, reply)...
//   record                                         format(u8) generation applied term (u64) log
//   time(i64) config
#include <utility>

#include "base/mutant.h"
#include "kv/execute.h"
#include "kv/state.h"

namespace kvorum::kv {
namespace {

constexpr char kRowType = 'r';
constexpr char kNodeType = 'c';
constexpr char kOnceType = 'o';
constexpr std::uint8_t kRecordFormat = 1;

template <class Int>
Bytes typed_key(char type, Int number) {
  Bytes key(1, type);
  for (auto shift = static_cast<int>(8 * sizeof number); shift > 0;) {
    shift -= 8;
    key.push_back(static_cast<char>(number >> shift));
  }
  return key;
}

template <class Int>
Int big_endian(ByteView bytes) {
  Int number = 0;
  for (const char c : bytes.substr(0, sizeof number)) {
    number = static_cast<Int>(number << 8 | static_cast<unsigned char>(c));
  }
  return number;
}

Bytes row_key(const Row& row, Slot slot) {
  auto key = typed_key(kRowType, slot.value());
  key.append(row.key());
  return key;
}

// What stands before a row's value.
Bytes row_head(const Row& row, std::optional<WallMs> deadline) {
  Bytes bytes;
  put_fixed(bytes, row.version().packed);
  put_fixed(bytes, static_cast<std::uint8_t>(deadline ? 1 : 0));
  if (deadline) {
    put_fixed(bytes, deadline->value());
  }
  return bytes;
}

struct StoredRow {
  Version version;
  std::optional<WallMs> deadline;
  ByteView value;
};

std::optional<StoredRow> decode_row(ByteView bytes) {
  Reader reader(bytes);
  StoredRow row;
  row.version = Version{reader.fixed<std::uint64_t>()};
  const auto timed = reader.fixed<std::uint8_t>();
  if (timed == 1) {
    row.deadline = WallMs(reader.fixed<std::int64_t>());
  }
  row.value = reader.rest();
  return reader.ok() && timed <= 1 ? std::optional(row) : std::nullopt;
}

constexpr std::size_t kRowKeyHead = 3;

bool load_table_row(Table& table, ByteView key, ByteView bytes, bool cold) {
  if (key.size() < kRowKeyHead || key.size() - kRowKeyHead >= Row::kMaxBytes ||
      bytes.size() >= Row::kMaxBytes ||
      big_endian<std::uint16_t>(key.substr(1)) != slot_of(key.substr(kRowKeyHead)).value()) {
    return false;
  }
  const auto row = decode_row(bytes);
  if (!row) {
    return false;
  }
  table.load(key.substr(kRowKeyHead), row->value, row->version,
             KVORUM_MUTANT(kForgetTtl) ? std::nullopt : row->deadline, cold);
  return true;
}

}  // namespace

std::size_t Machine::dirty_bytes() const { return state_->table.dirty_bytes(); }

void Machine::take_dirty(ByteView config, store::Batch& batch) {
  auto& s = *state_;
  auto& out = batch.operations;
  if (const auto dropped = std::exchange(s.dropped, std::nullopt)) {
    out.push_back(store::DropGeneration{s.partition, *dropped});
  }
  store::RowChanges changes;
  changes.reserve(s.table.dirty_bytes());
  s.table.take_dirty([&](const Row& row, Slot slot) {
    if (row.gone()) {
      changes.erase(row_key(row, slot));
    } else {
      changes.put({typed_key(kRowType, slot.value()), row.key()},
                  {row_head(row, s.table.deadline(row)), row.value()});
    }
  });
  const auto take_clients = [&](char type, auto& clients) {
    clients.take_dirty(
        [&](ClientId id) { changes.erase(typed_key(type, id.value())); },
        [&](ClientId id, const Bytes& bytes) { changes.put(typed_key(type, id.value()), bytes); });
  };
  take_clients(kNodeType, s.nodes);
  take_clients(kOnceType, s.once_clients);
  out.push_back(store::ChangeRows{s.partition, s.generation, std::move(changes)});
  out.push_back(store::PutPartition{
      s.partition, encode(Record{s.generation, s.applied, s.term, s.log_time, Bytes(config)})});
}

Bytes Machine::encode(const Record& record) {
  Bytes bytes;
  put_fixed(bytes, kRecordFormat);
  put_fixed(bytes, record.generation.value());
  put_fixed(bytes, record.applied.value());
  put_fixed(bytes, record.term.value());
  put_fixed(bytes, record.log_time.value());
  put_bytes(bytes, record.config);
  return bytes;
}

std::optional<Machine::Record> Machine::decode(ByteView bytes) {
  Reader reader(bytes);
  const auto format = reader.fixed<std::uint8_t>();
  Record record;
  record.generation = Generation(reader.fixed<std::uint64_t>());
  record.applied = Index(reader.fixed<std::uint64_t>());
  record.term = Term(reader.fixed<std::uint64_t>());
  record.log_time = WallMs(reader.fixed<std::int64_t>());
  record.config = reader.bytes();
  return format == kRecordFormat && reader.done() ? std::optional(std::move(record)) : std::nullopt;
}

bool Machine::load_row(ByteView key, ByteView value, bool cold) {
  if (key.empty()) {
    return false;
  }
  if (key.front() == kRowType) {
    return load_table_row(state_->table, key, value, cold);
  }
  if (key.size() != 1 + sizeof(std::uint64_t)) {
    return false;
  }
  const ClientId id(big_endian<std::uint64_t>(key.substr(1)));
  if (key.front() == kNodeType) {
    return state_->nodes.load(id, value);
  }
  return key.front() == kOnceType && state_->once_clients.load(id, value);
}

std::size_t Machine::cold() const { return state_->table.cold(); }
bool Machine::evict(std::size_t count) { return state_->table.evict(count); }

void Machine::missing(const Command& command, std::vector<ColdRow>& out) const {
  if (cold() > 0) {
    state_->missing(command, out);
  }
}

void Machine::missing(const Entry& entry, std::vector<ColdRow>& out) const {
  if (cold() == 0 || entry.type != EntryType::kCommands) {
    return;
  }
  Reader reader(*entry.payload);
  Command command;
  while (const auto head = decode_run_head(reader)) {
    Reader body(reader.take(head->bytes));
    while (!body.rest().empty() && kvorum::decode(body, command)) {
      state_->missing(command, out);
    }
  }
}

void Machine::State::missing(const Command& command, std::vector<ColdRow>& out) const {
  if (!well_formed(command)) {
    return;
  }
  if (command.op == Op::kOnce) {
    Reader reader(command.args[0]);
    Command inner;
    // What a numbered command may not be is refused when it is applied.
    if (kvorum::decode(reader, inner) && inner.op != Op::kOnce) {
      missing(inner, out);
    }
    return;
  }
  if (!needs_values(command)) {
    return;
  }
  const auto count = command.op == Op::kMGet ? command.args.size() : 1;
  for (std::size_t i = 0; i < count; ++i) {
    const auto spot = table.look(command.args[i]);
    if (spot.row != nullptr && spot.row->cold()) {
      out.push_back({row_key(*spot.row, spot.ref.slot), spot.row->version()});
    }
  }
}

bool Machine::restore(const ColdRow& asked, const std::optional<Bytes>& stored) {
  auto& table = state_->table;
  const auto spot = table.look(ByteView(asked.key).substr(kRowKeyHead));
  const auto row = stored ? decode_row(*stored) : std::nullopt;
  if (KVORUM_MUTANT(kTakeOldValue) && spot.row != nullptr && row) {
    table.put(spot, row->value, row->version, row->deadline);
    return true;
  }
  if (spot.row == nullptr || !spot.row->cold()) {
    return true;
  }
  if (!row || row->version != spot.row->version() || row->value.size() != spot.row->value_size() ||
      checksum(row->value) != spot.row->value_sum()) {
    return spot.row->version() != asked.version;  // else it became cold again in the meantime
  }
  table.restore(spot, row->value);
  return true;
}

void Machine::load_record(const Record& record) {
  auto& s = *state_;
  s.generation = record.generation;
  s.applied = record.applied;
  s.term = record.term;
  s.log_time = record.log_time;
}

}  // namespace kvorum::kv
