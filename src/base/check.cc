#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace kvorum::check_detail {

void fail(const char* file, int line, const char* expression, const std::string& detail) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s (%s)\n", file, line, expression,
               detail.c_str());
  std::fflush(stderr);
  std::abort();
}

}  // namespace kvorum::check_detail
