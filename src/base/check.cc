#include "base/check.h"

#include <cstdio>
#include <cstdlib>

#include "base/error.h"

namespace ingot {
namespace {
thread_local bool check_throws = false;
}  // namespace

ChecksThrow::ChecksThrow(bool throws) : before_(check_throws) { check_throws = throws; }
ChecksThrow::~ChecksThrow() { check_throws = before_; }
bool ChecksThrow::here() { return check_throws; }

void check_failed(const char* file, int line, const std::string& message) {
  std::string text = fmt::format("{}:{}: {}", file, line, message);
  if (check_throws) throw Error(ErrorCode::kInternal, "[internal] " + text);
  std::fprintf(stderr, "%s\n", text.c_str());
  std::abort();
}

}  // namespace ingot
