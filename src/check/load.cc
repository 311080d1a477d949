#include "check/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "check/load_parts.h"

namespace kvorum::check {
namespace {

using Reader = Result<void> (*)(const Source&, const std::string&, History&);

Reader json_reader(const Source& source) {
  return is_jepsen_json(source) ? read_jepsen_json : read_lines;
}

// The form of a text that is not blank, told by its first characters. Null: none of ours.
Reader reader_of(const Source& source) {
  if (source.text.substr(0, 4096).find("jepsen.util - ") != std::string_view::npos) {
    return read_jepsen_log;
  }
  const auto text = trim(source.text);
  const auto second = trim(text.substr(1));
  const auto is_map_of_edn = [](std::string_view map) { return trim(map).starts_with(':'); };
  switch (text.front()) {
    case '(':
    case '#':
    case ';':
      return read_edn;
    case '[':
      if (second.starts_with('{')) {
        return is_map_of_edn(second.substr(1)) ? read_edn : json_reader(source);
      }
      return second.empty() || second.starts_with(']') ? read_lines : read_edn;
    case '{':
      return is_map_of_edn(second) ? read_edn : json_reader(source);
    default:
      const auto line = text.substr(0, text.find('\n'));
      return line.find(',') == std::string_view::npos ? nullptr : read_csv;
  }
}

Result<void> read(const PaddedText& text, const std::string& name, const std::string& prefix,
                  History& history) {
  Source source{text.view(), name};
  if (source.text.starts_with("\xEF\xBB\xBF")) {  // a byte order mark
    source.text.remove_prefix(3);
  }
  if (trim(source.text).empty()) {
    return {};
  }
  const auto reader = reader_of(source);
  if (reader == nullptr) {
    return source.error(1, "not a history: neither JSON, EDN, a Jepsen log nor CSV");
  }
  return reader(source, prefix, history);
}

// Everything that tells two operations of one client apart, by start first.
auto sign(const Operation& o) {
  return std::tie(o.start_ns, o.end_ns, o.op, o.key, o.value, o.expect, o.ended, o.by, o.level,
                  o.seq, o.final);
}

std::vector<std::vector<std::uint32_t>> by_client(const History& history) {
  std::vector<std::vector<std::uint32_t>> out(history.clients.size());
  const auto& all = history.operations;
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    out[all[i].client].push_back(i);
  }
  for (auto& mine : out) {
    const auto less = [&all](auto a, auto b) { return sign(all[a]) < sign(all[b]); };
    if (!std::is_sorted(mine.begin(), mine.end(), less)) {
      std::stable_sort(mine.begin(), mine.end(), less);
    }
  }
  return out;
}

// Without a duration, a coarse clock may have seen two.
bool is_repeated(const Operation& a, const Operation& b) {
  return sign(a) == sign(b) && a.start_ns != a.end_ns;
}

// One client cannot have run the same operation twice in the same interval: a line is there twice.
// Other overlaps of one client may be real, and are only said.
Result<void> look_at_clients(History& history) {
  const auto clients = by_client(history);
  for (std::size_t c = 0; c < clients.size(); ++c) {
    std::size_t overlaps = 0;
    const Operation* first = nullptr;
    const Operation* last = nullptr;
    std::int64_t end_ns = std::numeric_limits<std::int64_t>::min();
    for (const auto i : clients[c]) {
      const auto& operation = history.operations[i];
      if (last != nullptr && is_repeated(*last, operation)) {
        return fail(ErrorCode::kSyntax, "{}:{}: the same operation as on line {}", history.source,
                    std::max(last->line, operation.line), std::min(last->line, operation.line));
      }
      if (operation.start_ns < end_ns) {
        first = overlaps++ == 0 ? &operation : first;
      }
      if (operation.ended != Ended::kUnknown) {
        end_ns = std::max(end_ns, operation.end_ns);
      }
      last = &operation;
    }
    if (overlaps > 0) {
      history.warnings.push_back(fmt::format(
          "client {}: {} began while another one of the same client was open (first on line {})",
          history.clients[c],
          overlaps == 1 ? "one operation" : fmt::format("{} operations", overlaps), first->line));
    }
  }
  return {};
}

// Clocks that count from far away, such as those of the wall, make messages unreadable.
std::int64_t origin_of(const History& history) {
  constexpr std::int64_t kFar = 3'600'000'000'000;  // an hour
  std::int64_t first = kNever;
  std::int64_t last = 0;
  for (const auto& operation : history.operations) {
    first = std::min(first, operation.start_ns);
    last = std::max(last, operation.end_ns == kNever ? operation.start_ns : operation.end_ns);
  }
  return first != kNever && first > std::max(kFar, last - first) ? first : 0;
}

Result<void> finish(const LoadOptions& options, History& history) {
  for (const auto& [key, value] : options.initial) {
    history.initial[history.texts.add(key)] = history.texts.add(value);
  }
  if (const auto looked = look_at_clients(history); !looked) {
    return looked;
  }
  if (options.clock_error_ns != 0) {
    for (auto& operation : history.operations) {
      operation.start_ns -= options.clock_error_ns;
      operation.end_ns += operation.end_ns == kNever ? 0 : options.clock_error_ns;
    }
    history.warnings.push_back(
        fmt::format("every interval was widened by {} on both sides, for the clocks' error",
                    time_text(History(), options.clock_error_ns)));
  }
  history.origin_ns = origin_of(history);
  return {};
}

}  // namespace

Result<History> load(const std::vector<std::string>& paths, const LoadOptions& options) {
  History history;
  for (const auto& path : paths) {
    const auto text = read_file(path);
    if (!text) {
      return tl::unexpected(text.error());
    }
    history.source += history.source.empty() ? path : ' ' + path;
    const auto prefix = paths.size() > 1 ? path + ':' : std::string();
    if (const auto done = read(*text, path, prefix, history); !done) {
      return tl::unexpected(done.error());
    }
  }
  if (const auto done = finish(options, history); !done) {
    return tl::unexpected(done.error());
  }
  return history;
}

Result<History> load_text(std::string_view bytes, const std::string& name,
                          const LoadOptions& options) {
  History history;
  history.source = name;
  const auto text = padded(bytes, name);
  if (!text) {
    return tl::unexpected(text.error());
  }
  if (auto done = read(*text, name, {}, history); !done) {
    return tl::unexpected(done.error());
  }
  if (auto done = finish(options, history); !done) {
    return tl::unexpected(done.error());
  }
  return history;
}

}  // namespace kvorum::check
