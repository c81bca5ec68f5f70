#include "base/check.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "base/error.h"

namespace ingot {
namespace {
std::atomic<bool> g_check_throws{false};
}  // namespace

void set_check_throws(bool throws) { g_check_throws = throws; }

void check_failed(const char* file, int line, const std::string& message) {
  std::string text = fmt::format("{}:{}: {}", file, line, message);
  if (g_check_throws) throw Error(ErrorCode::kInternal, "[internal] " + text);
  std::fprintf(stderr, "%s\n", text.c_str());
  std::abort();
}

}  // namespace ingot
