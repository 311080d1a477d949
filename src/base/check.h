// Broken invariants. CHECK is on in every build: it prints the expression with both values, then
// aborts.
#pragma once

#include <fmt/format.h>

#include <string>

namespace kvorum {

// While it lives, a CHECK that fails on its thread prints `line` as well: which of many inputs it
// was, and how to see that one again. The innermost counts.
class CheckContext {
 public:
  explicit CheckContext(std::string line);
  ~CheckContext();
  CheckContext(const CheckContext&) = delete;
  CheckContext& operator=(const CheckContext&) = delete;

 private:
  std::string line_;
  const std::string* outer_;
};

}  // namespace kvorum

namespace kvorum::check_detail {

[[noreturn]] void fail(const char* file, int line, const char* expression,
                       const std::string& detail);

template <class T>
std::string show(const T& value) {
  if constexpr (requires { value.value(); }) {
    return show(value.value());
  } else if constexpr (fmt::is_formattable<T>::value) {
    return fmt::format("{}", value);
  } else {
    return "?";
  }
}

// A function, so that what a and b are made from lives until the comparison is over.
template <class A, class B, class Holds>
void compare(const A& a, const B& b, Holds holds, const char* file, int line,
             const char* expression) {
  if (!holds(a, b)) [[unlikely]] {
    fail(file, line, expression, show(a) + " against " + show(b));
  }
}

}  // namespace kvorum::check_detail

#define KVORUM_CHECK_OP(a, op, b)                                                            \
  ::kvorum::check_detail::compare(                                                           \
      (a), (b), [](const auto& check_a, const auto& check_b) { return check_a op check_b; }, \
      __FILE__, __LINE__, #a " " #op " " #b)

#define CHECK(expression, ...)                                      \
  do {                                                              \
    if (!(expression)) [[unlikely]] {                               \
      ::kvorum::check_detail::fail(__FILE__, __LINE__, #expression, \
                                   ::fmt::format("" __VA_ARGS__));  \
    }                                                               \
  } while (false)
#define CHECK_EQ(a, b) KVORUM_CHECK_OP(a, ==, b)
#define CHECK_NE(a, b) KVORUM_CHECK_OP(a, !=, b)
#define CHECK_LT(a, b) KVORUM_CHECK_OP(a, <, b)
#define CHECK_LE(a, b) KVORUM_CHECK_OP(a, <=, b)
#define CHECK_GT(a, b) KVORUM_CHECK_OP(a, >, b)
#define CHECK_GE(a, b) KVORUM_CHECK_OP(a, >=, b)
