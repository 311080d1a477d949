#include "base/check.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace kvorum {
namespace {

thread_local const std::string* context = nullptr;

}  // namespace

CheckContext::CheckContext(std::string line) : line_(std::move(line)), outer_(context) {
  context = &line_;
}

CheckContext::~CheckContext() { context = outer_; }

namespace check_detail {

void fail(const char* file, int line, const char* expression, const std::string& detail) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s (%s)\n", file, line, expression,
               detail.c_str());
  if (context != nullptr) {
    std::fprintf(stderr, "  %s\n", context->c_str());
  }
  std::fflush(stderr);
  std::abort();
}

}  // namespace check_detail
}  // namespace kvorum
