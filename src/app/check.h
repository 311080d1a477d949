// What `kvorum check` does once its command line is read.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "check/load.h"
#include "check/verdict.h"

namespace kvorum::app {

struct CheckOptions {
  std::vector<check::Model> models;
  bool all = false;  // every model, instead of `models`
  std::vector<std::string> files;
  bool together = false;
  std::chrono::nanoseconds budget = std::chrono::seconds(60);
  std::size_t memory = std::size_t{4} << 30;
  check::LoadOptions load;
  bool json = false;
  bool stats = false;
  std::string html;
  // For the command that repeats a judgement: what stands before the files, and these.
  std::string repeated;
  std::vector<std::string> quoted_files;
};

// Judges, prints, and gives the exit code.
int run_check(const CheckOptions& options);

}  // namespace kvorum::app
