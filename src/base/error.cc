#include "base/error.h"

#include <cstddef>
#include <iterator>

#include "base/check.h"

namespace kvorum {
namespace {

struct Row {
  const char* resp;
  Outcome outcome;
  const char* text;
};

constexpr Row kTable[] = {
#define KVORUM_ERROR(name, resp, outcome, text) {resp, Outcome::outcome, text},
#include "base/errors.def"
#undef KVORUM_ERROR
};

const Row& row(ErrorCode code) {
  const auto at = static_cast<std::size_t>(code);
  CHECK_LT(at, std::size(kTable));
  return kTable[at];
}

}  // namespace

bool is_error_code(unsigned number) { return number < std::size(kTable); }
const char* resp_code(ErrorCode code) { return row(code).resp; }
const char* default_text(ErrorCode code) { return row(code).text; }
Outcome outcome_of(ErrorCode code) { return row(code).outcome; }

std::string to_string(const Error& error) {
  return std::string(resp_code(error.code)) + ' ' +
         (error.detail.empty() ? default_text(error.code) : error.detail);
}

}  // namespace kvorum
