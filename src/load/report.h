// What a load found, for people and for programs.
#pragma once

#include <string>

#include "load/runner.h"

namespace kvorum::load {

// Some lines, the last one with its end.
std::string table(const Options& options, const Measured& measured);

// One object, indented; docs/benchmarks.md names its fields.
std::string json(const Options& options, const Measured& measured);

}  // namespace kvorum::load
