// Expected failures: a code from the one table (errors.def), a text, and what it says about the
// outcome.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace kvorum {

enum class Outcome : unsigned char { kDefinite, kUnknown };

enum class ErrorCode : unsigned char {
#define KVORUM_ERROR(name, resp, outcome, text) name,
#include "base/errors.def"
#undef KVORUM_ERROR
};

struct Error {
  ErrorCode code = ErrorCode::kGeneric;
  std::string detail;  // empty: the table's text
};

// Whether the table has a row of this number; ask of what came from elsewhere.
bool is_error_code(unsigned number);
const char* resp_code(ErrorCode code);
const char* default_text(ErrorCode code);
Outcome outcome_of(ErrorCode code);

// "CODE text", as a RESP error carries it, without the leading minus.
std::string to_string(const Error& error);

template <class T>
using Result = tl::expected<T, Error>;

template <class... Args>
tl::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> text, Args&&... args) {
  return tl::unexpected(Error{code, fmt::format(text, std::forward<Args>(args)...)});
}
inline tl::unexpected<Error> fail(ErrorCode code) { return tl::unexpected(Error{code, {}}); }

}  // namespace kvorum
