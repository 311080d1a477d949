// The reads that walk many rows.
#include <algorithm>
#include <array>
#include <charconv>

#include "kv/execute.h"
#include "kv/glob.h"

namespace kvorum::kv {
namespace {

// How many rows of a pattern read are looked at before the first answer must go out has no bound
// here: KEYS and KV.DUMP answer in one piece, as in Redis.
std::vector<const Row*> live_rows(const Table& table) {
  std::vector<const Row*> rows;
  rows.reserve(table.size());
  for (std::uint64_t position = 0; position < Rows::kEnd;) {
    table.rows().next_bucket(position, rows);
  }
  std::erase_if(rows, [](const Row* row) { return row->gone(); });
  return rows;
}

void keep_matching(ByteView pattern, std::vector<const Row*>& rows) {
  if (pattern != "*") {
    std::erase_if(rows, [&](const Row* row) { return !glob_match(pattern, row->key()); });
  }
}

void reply_keys(const std::vector<const Row*>& rows, ReplyWriter& reply) {
  reply.array(rows.size());
  for (const auto* row : rows) {
    reply.bulk(row->key());
  }
}

}  // namespace

void read_keys(ByteView pattern, const ReadStep& step) {
  auto rows = live_rows(step.table);
  keep_matching(pattern, rows);
  reply_keys(rows, step.reply);
}

void read_scan(const Command& command, const ReadStep& step) {
  auto position = static_cast<std::uint64_t>(command.number);
  const auto count = static_cast<std::uint64_t>(std::max<std::int64_t>(command.number2, 1));
  std::vector<const Row*> rows;
  // Whole buckets: an answer may hold a few rows more than asked for. Rows that are gone count as
  // work done.
  while (position < Rows::kEnd && rows.size() < count) {
    step.table.rows().next_bucket(position, rows);
  }
  std::erase_if(rows, [](const Row* row) { return row->gone(); });
  if (!command.args.empty()) {
    keep_matching(command.args[0], rows);
  }
  std::array<char, 24> text;
  const auto next = position < Rows::kEnd ? position : 0;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), next).ptr;
  step.reply.array(2);
  step.reply.bulk({text.data(), static_cast<std::size_t>(end - text.data())});
  reply_keys(rows, step.reply);
}

// [[key, value, version, deadline ms or -1], ...] in key order.
void read_dump(const ReadStep& step) {
  auto rows = live_rows(step.table);
  std::sort(rows.begin(), rows.end(),
            [](const Row* a, const Row* b) { return a->key() < b->key(); });
  step.reply.array(rows.size());
  for (const auto* row : rows) {
    const auto deadline = step.table.deadline(*row);
    step.reply.array(4);
    step.reply.bulk(row->key());
    step.reply.bulk(row->value());
    step.reply.integer(static_cast<std::int64_t>(row->version().packed));
    step.reply.integer(deadline ? deadline->value() : -1);
  }
}

}  // namespace kvorum::kv
