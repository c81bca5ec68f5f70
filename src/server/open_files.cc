#include "server/open_files.h"

#include <sys/resource.h>

#include <algorithm>
#include <filesystem>

namespace ingot {
namespace {

constexpr rlim_t kNoLimit = rlim_t{1} << 40;  // stands for RLIM_INFINITY, the largest rlim_t

// Without a /proc none is counted: kOtherFiles has room for those of a start.
int64_t open_files() {
  std::error_code error;
  std::filesystem::directory_iterator at("/proc/self/fd", error);
  int64_t count = -1;  // the iterator's own
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) ++count;
  return std::max<int64_t>(count, 0);
}

}  // namespace

int64_t connections_under(int64_t limit, int64_t open) {
  return std::max<int64_t>(limit - open - std::min(kOtherFiles, limit / 4), 1);
}

FileRoom make_file_room(int64_t connections) {
  const int64_t open = open_files();
  rlimit limits{};
  if (::getrlimit(RLIMIT_NOFILE, &limits) != 0) return {connections, 0};
  const auto needed = static_cast<rlim_t>(connections + open + kOtherFiles);
  if (limits.rlim_cur < needed && limits.rlim_cur < limits.rlim_max) {
    const rlim_t before = limits.rlim_cur;
    limits.rlim_cur = std::min(needed, limits.rlim_max);
    if (::setrlimit(RLIMIT_NOFILE, &limits) != 0) limits.rlim_cur = before;
  }
  const auto limit = static_cast<int64_t>(std::min(limits.rlim_cur, kNoLimit));
  return {std::min(connections, connections_under(limit, open)), limit};
}

}  // namespace ingot
