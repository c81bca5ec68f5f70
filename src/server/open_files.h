// Each connection is an open file, and the system limits those of a process: a soft limit, often
// 1,024, that a process may raise up to the hard one.
#pragma once

#include <cstdint>

namespace ingot {

// Files that are opened later and are no connections: a model's, a device's, those of threads. Of a
// low limit at most a quarter.
constexpr int64_t kOtherFiles = 64;

// How many fit under a limit where `open` files are there already; at least 1.
int64_t connections_under(int64_t limit, int64_t open);

struct FileRoom {
  int64_t connections = 0;  // that fit, at most those asked for
  int64_t limit = 0;        // of open files, from now on
};

// Raises the soft limit of this process as far as `connections` need it beside what is open.
FileRoom make_file_room(int64_t connections);

}  // namespace ingot
