// Numbers with units, as flags take them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace CLI {
class App;
}

namespace kvorum::app {

// "60s", "1.5ms": nanoseconds. Units: h m s ms us ns. Empty: it is no such thing.
std::optional<std::int64_t> parse_time(std::string_view word);

// "4G", "512MB", "1000": bytes. Units of 1024: K M G, with a B or without. Empty: it is no such
// thing.
std::optional<std::int64_t> parse_size(std::string_view word);

// Adds --memory-budget SIZE, in bytes once the command line is read. `out` outlives `verb`.
void add_memory_budget(CLI::App* verb, std::optional<std::uint64_t>& out);

}  // namespace kvorum::app
