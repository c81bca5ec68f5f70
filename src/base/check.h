// Checks of our own invariants, never of what a user gives. A failure prints both values and
// aborts; a program that must go on calls set_check_throws(true) and gets Error{kInternal} instead.
#pragma once

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <string>

namespace ingot {

[[noreturn]] void check_failed(const char* file, int line, const std::string& message);
// Process wide. When true a failed CHECK throws Error{kInternal}; when false (default) it aborts.
void set_check_throws(bool throws);

}  // namespace ingot

#define CHECK(condition)                                                           \
  do {                                                                             \
    if (!(condition)) [[unlikely]]                                                 \
      ::ingot::check_failed(__FILE__, __LINE__, "CHECK(" #condition ") is false"); \
  } while (0)
#define CHECK_MSG(condition, ...)                                                  \
  do {                                                                             \
    if (!(condition)) [[unlikely]]                                                 \
      ::ingot::check_failed(__FILE__, __LINE__,                                    \
                            "CHECK(" #condition "): " + fmt::format(__VA_ARGS__)); \
  } while (0)
#define INGOT_CHECK_OP(a, op, b)                                                    \
  do {                                                                              \
    const auto& check_a = (a);                                                      \
    const auto& check_b = (b);                                                      \
    if (!(check_a op check_b)) [[unlikely]]                                         \
      ::ingot::check_failed(                                                        \
          __FILE__, __LINE__,                                                       \
          fmt::format("CHECK({} {} {}): {} vs {}", #a, #op, #b, check_a, check_b)); \
  } while (0)
#define CHECK_EQ(a, b) INGOT_CHECK_OP(a, ==, b)
#define CHECK_NE(a, b) INGOT_CHECK_OP(a, !=, b)
#define CHECK_LT(a, b) INGOT_CHECK_OP(a, <, b)
#define CHECK_LE(a, b) INGOT_CHECK_OP(a, <=, b)
#define CHECK_GT(a, b) INGOT_CHECK_OP(a, >, b)
#define CHECK_GE(a, b) INGOT_CHECK_OP(a, >=, b)
