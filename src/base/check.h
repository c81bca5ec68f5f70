// Checks of our own invariants, never of what a user gives. A failure prints both values and
// aborts; on a thread with a ChecksThrow it throws Error{kInternal} instead.
#pragma once

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <string>

namespace ingot {

[[noreturn]] void check_failed(const char* file, int line, const std::string& message);
// While one lives, a failed CHECK of its thread throws: for code that can give up what it was doing
// and go on, as the step loop does. ThreadTeam::parallel_for takes it along to its workers.
class ChecksThrow {
 public:
  explicit ChecksThrow(bool throws = true);
  ~ChecksThrow();
  ChecksThrow(const ChecksThrow&) = delete;
  ChecksThrow& operator=(const ChecksThrow&) = delete;
  static bool here();  // whether they throw on this thread

 private:
  bool before_;
};

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
