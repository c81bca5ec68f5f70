// How work grows with what it is given, where nothing of it can be counted from outside: walks over
// a list and comparisons of characters call nobody. Two sizes are compared in one run, in CPU time,
// so that neither a slow machine nor a busy one decides. The larger size is 32 times the smaller
// one: linear work grows 32 times, quadratic work 1024 times, and the limit leaves a factor of
// eight (logarithms, caches, a sanitizer) to the first and of four to the second.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <limits>

namespace ingot {

inline constexpr double kMostGrowth = 256;

// CPU seconds of this process that `work` takes.
template <typename Work>
double cpu_seconds(Work&& work) {
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  const double begin = now();
  work();
  return now() - begin;
}

// Runs `timed`, which gives the CPU seconds of its work at a size, at both sizes; to be compared
// with kMostGrowth. The least of several runs counts.
template <typename Timed>
double growth_from(int64_t size, Timed&& timed) {
  double small = std::numeric_limits<double>::infinity(), large = small;
  for (int i = 0; i < 3; ++i) small = std::min<double>(small, timed(size));
  for (int i = 0; i < 2 && !(large <= kMostGrowth * small); ++i) {
    large = std::min<double>(large, timed(32 * size));
  }
  return large / small;
}

}  // namespace ingot
