#include "sim/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "base/parse.h"
#include "base/prng.h"
#include "sim/chance.h"

namespace kvorum::sim {
namespace {

constexpr std::int64_t kMillion = 1'000'000;
constexpr std::int64_t kHour = 3'600'000;  // in ms

constexpr OptionInfo kTable[] = {
    {"nodes", &Options::nodes, 1, 9},
    {"partitions", &Options::partitions, 1, 64},
    {"election_ms", &Options::election_ms, 10, 60'000},
    {"heartbeat_ms", &Options::heartbeat_ms, 1, 10'000},
    {"request_timeout_ms", &Options::request_timeout_ms, 10, kHour},
    {"checkpoint_ms", &Options::checkpoint_ms, 1, kHour},
    {"log_keep_kb", &Options::log_keep_kb, 1, 1 << 20},
    {"max_value_kb", &Options::max_value_kb, 1, 1 << 19},
    {"memory_budget", &Options::memory_budget, 0, std::int64_t{1} << 40},
    {"sync_ms", &Options::sync_ms, 1, 60'000},
    {"hint_life_ms", &Options::hint_life_ms, 1, 24 * kHour},
    {"fence_ms", &Options::fence_ms, 1'000, 24 * kHour},
    {"clients", &Options::clients, 0, 4096},
    {"operations", &Options::operations, 0, 100 * kMillion},
    {"keys", &Options::keys, 1, kMillion},
    {"value_bytes", &Options::value_bytes, 1, kMillion},
    {"read_percent", &Options::read_percent, 0, 100},
    {"change_percent", &Options::change_percent, 0, 100},
    {"other_percent", &Options::other_percent, 0, 100},
    {"once_percent", &Options::once_percent, 0, 100},
    {"token_percent", &Options::token_percent, 0, 100},
    {"move_percent", &Options::move_percent, 0, 100},
    {"reader_percent", &Options::reader_percent, 0, 100},
    {"pipeline", &Options::pipeline, 1, 1024},
    {"think_us", &Options::think_us, 0, 1000 * kMillion},
    {"weak_percent", &Options::weak_percent, 0, 100},
    {"give_up_ms", &Options::give_up_ms, 1, kHour},
    {"hang_up_ppm", &Options::hang_up_ppm, 0, kMillion},
    {"free_clients", &Options::free_clients, 0, 4096},
    {"free_operations", &Options::free_operations, 0, 100 * kMillion},
    {"free_keys", &Options::free_keys, 1, 1000},
    {"free_level", &Options::free_level, 0, 2},
    {"free_think_us", &Options::free_think_us, 0, 1000 * kMillion},
    {"sloppy_percent", &Options::sloppy_percent, 0, 100},
    {"sweepers", &Options::sweepers, 0, 4096},
    {"delay_min_us", &Options::delay_min_us, 0, 10 * kMillion},
    {"delay_mean_us", &Options::delay_mean_us, 0, 10 * kMillion},
    {"loss_ppm", &Options::loss_ppm, 0, kMillion},
    {"duplicate_ppm", &Options::duplicate_ppm, 0, kMillion},
    {"reorder_ppm", &Options::reorder_ppm, 0, kMillion},
    {"damage_ppm", &Options::damage_ppm, 0, kMillion},
    {"split", &Options::split, 0, 1},
    {"disk_min_us", &Options::disk_min_us, 0, 10 * kMillion},
    {"disk_mean_us", &Options::disk_mean_us, 0, 10 * kMillion},
    {"offset_ms", &Options::offset_ms, 0, kHour},
    {"drift_ppm", &Options::drift_ppm, 0, 200'000},
    {"crash_ms", &Options::crash_ms, 0, kHour},
    {"power_percent", &Options::power_percent, 0, 100},
    {"stop_ms", &Options::stop_ms, 0, kHour},
    {"pause_ms", &Options::pause_ms, 0, kHour},
    {"slow_ms", &Options::slow_ms, 0, kHour},
    {"cut_ms", &Options::cut_ms, 0, kHour},
    {"clog_ms", &Options::clog_ms, 0, kHour},
    {"disk_slow_ms", &Options::disk_slow_ms, 0, kHour},
    {"disk_fail_ms", &Options::disk_fail_ms, 0, kHour},
    {"disk_lost_ms", &Options::disk_lost_ms, 0, kHour},
    {"clock_ms", &Options::clock_ms, 0, kHour},
    {"fault_for_ms", &Options::fault_for_ms, 1, kHour},
    {"faults_end_ms", &Options::faults_end_ms, 0, kHour},
};

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : prng_(seed ^ 0x6f7074696f6e73) {}
  explicit Draw(Prng prng) : prng_(prng) {}

  std::int64_t of(std::initializer_list<std::int64_t> choices) {
    return *(choices.begin() + prng_.below(choices.size()));
  }
  // One of the choices in `percent` of the draws, else 0.
  std::int64_t maybe(std::uint64_t percent, std::initializer_list<std::int64_t> choices) {
    const auto value = of(choices);
    return prng_.chance(percent, 100) ? value : 0;
  }

 private:
  Prng prng_;
};

void draw_load(Draw& draw, Options& options) {
  options.clients = draw.of({1, 3, 8, 16, 32});
  options.operations = draw.of({500, 1000, 2000});
  options.keys = draw.of({1, 4, 16, 64});
  options.value_bytes = draw.of({1, 16, 16, 1000});
  options.read_percent = draw.of({10, 50, 50, 90});
  options.change_percent = draw.of({0, 30, 70});
  options.other_percent = draw.of({0, 10, 40});
  options.once_percent = draw.of({0, 20, 60});
  options.token_percent = draw.of({0, 20, 60});
  options.move_percent = draw.of({0, 5, 30});
  options.reader_percent = draw.of({0, 20, 60});
  options.pipeline = draw.of({1, 4, 4, 16});
  options.think_us = draw.of({0, 1'000, 20'000, 200'000});
  options.weak_percent = draw.of({0, 0, 30, 80});
  if (options.weak_percent > 0) {
    options.pipeline = 1;  // many open requests and weak reads together are too hard to judge
  }
  options.give_up_ms = draw.of({300, 2000, 8000});
  options.hang_up_ppm = draw.maybe(30, {1'000, 20'000});
}

void draw_faults(Draw& draw, Options& options) {
  options.loss_ppm = draw.maybe(50, {100, 10'000, 100'000});
  options.duplicate_ppm = draw.maybe(50, {1'000, 50'000});
  options.reorder_ppm = draw.maybe(50, {1'000, 50'000, 300'000});
  options.damage_ppm = draw.maybe(20, {100, 2'000});
  options.split = draw.of({0, 1});
  options.offset_ms = draw.of({0, 5, 200, 2'000});
  options.drift_ppm = draw.of({0, 100, 10'000, 200'000});
  options.crash_ms = draw.maybe(70, {300, 1'000, 5'000});
  options.power_percent = draw.of({0, 50, 100});
  options.stop_ms = draw.maybe(30, {2'000, 8'000});
  options.pause_ms = draw.maybe(40, {500, 3'000});
  options.slow_ms = draw.maybe(30, {500, 3'000});
  options.cut_ms = draw.maybe(60, {300, 1'500, 5'000});
  options.clog_ms = draw.maybe(30, {1'000, 3'000});
  options.disk_slow_ms = draw.maybe(30, {500, 3'000});
  options.disk_fail_ms = draw.maybe(25, {2'000, 6'000});
  options.disk_lost_ms = draw.maybe(25, {2'000, 8'000});
  options.clock_ms = draw.maybe(30, {500, 3'000});
  options.fault_for_ms = draw.of({100, 500, 2'000});
  options.faults_end_ms = draw.of({5'000, 20'000});
}

// One kind of fault, nearly alone, hard on clients that come back soon: what the noise of many
// faults hides.
void draw_single(Draw& draw, Options& options) {
  for (const auto kind :
       {&Options::crash_ms, &Options::stop_ms, &Options::pause_ms, &Options::slow_ms,
        &Options::cut_ms, &Options::clog_ms, &Options::disk_slow_ms, &Options::disk_fail_ms,
        &Options::disk_lost_ms, &Options::clock_ms, &Options::loss_ppm, &Options::duplicate_ppm,
        &Options::reorder_ppm, &Options::damage_ppm}) {
    options.*kind = 0;
  }
  const auto rate = draw.of({1'000, 2'000});
  switch (draw.of({0, 1, 1, 2, 3, 4, 4})) {
    case 0:
      options.crash_ms = rate;
      break;
    case 1:
      options.pause_ms = rate;
      break;
    case 2:
      options.cut_ms = rate;
      break;
    case 4:  // a disk can be lost but once or twice, so it needs company to do harm
      options.nodes = 3;
      options.disk_lost_ms = 500;
      options.crash_ms = 1'500;
      options.cut_ms = 1'500;
      break;
    default:
      options.stop_ms = rate;
      break;
  }
  options.fault_for_ms = options.disk_lost_ms > 0 ? 3'000 : draw.of({700, 1'500});
  options.clients = draw.of({8, 16, 32});
  options.think_us = draw.of({5'000, 20'000});
  options.give_up_ms = 300;
  options.operations = 30'000;  // so that the clients outlive several faults
  options.keys = draw.of({1, 4});
  options.reader_percent = 60;
  options.pipeline = 1;
  options.weak_percent = 0;
}

// One key that many read while its versions take long to get around, and no two nodes see the same.
void draw_clogged(Options& options) {
  options.crash_ms = options.cut_ms = 0;
  options.nodes = 7;
  options.delay_mean_us = 2'000;
  options.clog_ms = 500;
  options.fault_for_ms = 2'000;
  options.free_clients = 16;
  options.free_operations = 4'000;
  options.free_keys = 1;
  options.free_think_us = 2'000;
}

// Nodes that lose what was not synced, and write the same keys again before the others, who have
// it, can tell them: links are slow, nodes back at once. Hardly any ordered load, whose syncs would
// carry the leaderless rows to the disk.
void draw_forgetful(Options& options) {
  for (const auto kind : {&Options::stop_ms, &Options::pause_ms, &Options::slow_ms,
                          &Options::cut_ms, &Options::clog_ms, &Options::disk_slow_ms,
                          &Options::disk_fail_ms, &Options::disk_lost_ms, &Options::loss_ppm}) {
    options.*kind = 0;
  }
  options.nodes = 3;
  options.clients = 1;
  options.operations = 10;
  options.delay_mean_us = 20'000;
  options.crash_ms = 200;
  options.fault_for_ms = 2;
  options.sync_ms = 500;
  options.free_clients = 16;
  options.free_operations = 4'000;
  options.free_keys = 20;
  options.free_think_us = 5'000;
}

// Of leaderless keyspaces. In a hurry, tombstones come and go during a run.
void draw_leaderless(Draw& draw, Options& options) {
  options.free_clients = draw.of({0, 2, 4, 8, 16});
  options.free_operations = draw.of({300, 1'000, 2'000});
  options.free_keys = draw.of({1, 2, 4, 8});
  options.sloppy_percent = draw.maybe(40, {5, 50});
  options.sync_ms = draw.of({20, 100, 500});
  const auto haste = draw.of({0, 0, 0, 1, 1, 2});
  if (haste > 1) {
    options.pause_ms = options.slow_ms = options.clog_ms = 0;
    options.drift_ppm = std::min<std::int64_t>(options.drift_ppm, 10'000);
    // Some are silent for long enough to be fenced, and for the others to close what they made.
    options.crash_ms = draw.of({0, 3'000});
    options.cut_ms = 2'000;
    options.fault_for_ms = 8'000;
    options.faults_end_ms = 20'000;
    options.fence_ms = draw.of({1'000, 3'000});
    options.sync_ms = 20;
    options.free_operations = 4'000;
  }
  // What stops a node's time, or bends it, lets hints outlive what others allow them.
  const bool in_time = options.drift_ppm <= 10'000 && options.pause_ms == 0 &&
                       options.slow_ms == 0 && options.clog_ms == 0;
  options.hint_life_ms = !in_time || haste == 0 ? 3 * kHour : haste > 1 ? 200 : 1'000;
  // Long enough, in many runs, for the clients to outlive several faults.
  options.free_think_us = haste > 1 ? 20'000 : draw.of({0, 2'000, 20'000, 100'000});
  const auto special = haste == 0 ? draw.of({0, 0, 1, 2}) : 0;
  if (special == 1) {
    draw_clogged(options);
  } else if (special == 2) {
    draw_forgetful(options);
  }
}

// Below what empty tables take, so that whatever may leave memory does.
void draw_memory(Draw& draw, Options& options) {
  options.memory_budget = draw.maybe(35, {1});
  if (options.memory_budget > 0) {
    options.checkpoint_ms = draw.of({50, 50, 500});  // what is not on disk stays
    options.value_bytes = std::max<std::int64_t>(options.value_bytes, 16);
  }
}

}  // namespace

std::span<const OptionInfo> option_table() { return kTable; }

Options draw(std::uint64_t seed) {
  Options options;
  options.seed = seed;
  Draw draw(seed);
  options.nodes = draw.of({1, 3, 3, 3, 4, 5, 5, 7});
  options.partitions = draw.of({1, 1, 2, 4});
  options.request_timeout_ms = draw.of({1'000, 5'000});
  options.checkpoint_ms = draw.of({50, 500, 5'000});
  options.log_keep_kb = draw.of({1, 16, 65'536});
  options.delay_min_us = draw.of({20, 50, 500});
  options.delay_mean_us = draw.of({20, 100, 2'000});
  options.disk_min_us = draw.of({20, 50, 500});
  options.disk_mean_us = draw.of({20, 200, 5'000});
  draw_load(draw, options);
  draw_faults(draw, options);
  if (draw.of({0, 0, 1}) == 1) {
    draw_single(draw, options);
  }
  Draw leaderless(chance_of(seed, "leaderless options"));
  draw_leaderless(leaderless, options);
  Draw sweepers(chance_of(seed, "sweepers"));
  options.sweepers = sweepers.maybe(15, {2, 4, 8});
  Draw memory(chance_of(seed, "memory options"));
  draw_memory(memory, options);
  return options;
}

Result<void> set(Options& options, std::string_view assignment) {
  const auto equals = assignment.find('=');
  const auto name = assignment.substr(0, equals);
  const auto* const found =
      std::find_if(std::begin(kTable), std::end(kTable),
                   [name](const OptionInfo& option) { return option.name == name; });
  if (equals == std::string_view::npos || found == std::end(kTable)) {
    return fail(ErrorCode::kConfig,
                "'{}' is not NAME=NUMBER with a name of this simulator's options", assignment);
  }
  const auto value = parse_number<std::int64_t>(assignment.substr(equals + 1));
  if (!value || *value < found->min || *value > found->max) {
    return fail(ErrorCode::kConfig, "{} takes a number from {} to {}, not '{}'", name, found->min,
                found->max, assignment.substr(equals + 1));
  }
  options.*(found->field) = *value;
  return {};
}

std::string to_string(const Options& options) {
  std::string text;
  for (const auto& option : kTable) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", option.name, options.*(option.field));
  }
  return text;
}

}  // namespace kvorum::sim
