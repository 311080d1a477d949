// Prints every event of the runs of seeds A to B: two builds must print the same bytes.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/check.h"
#include "base/parse.h"
#include "sim/sim.h"

int main(int argc, char** argv) {
  CHECK(argc == 3, "usage: sim_trace A B");
  const auto first = kvorum::parse_number<std::uint64_t>(argv[1]);
  const auto last = kvorum::parse_number<std::uint64_t>(argv[2]);
  CHECK(first && last, "usage: sim_trace A B");
  for (auto seed = *first; seed <= *last; ++seed) {
    auto options = kvorum::sim::draw(seed);
    options.operations = std::min<std::int64_t>(options.operations, 2000);  // so that it ends soon
    const auto outcome =
        kvorum::sim::run(options, [](const std::string& line) { fmt::print("{}\n", line); });
    fmt::print("seed {} trace {:016x}\n", seed, outcome.trace_hash);
    for (const auto& record : outcome.history) {
      std::string line;
      kvorum::append_json(record, line);
      fmt::print("{}", line);
    }
  }
  return 0;
}
