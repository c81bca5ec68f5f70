// A fuzz target calls fuzz_parsed() for every input that its parser accepted to the end.
// tools/fuzz.py reads the count that is printed at exit, and fails a corpus in which no seed gets
// that far.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace ingot {

inline void fuzz_parsed() {
  static long count = 0;
  static const bool registered = [] {
    return std::atexit([] {
             std::fprintf(stderr, "fuzz: %ld input%s parsed completely\n", count,
                          count == 1 ? "" : "s");
           }) == 0;
  }();
  if (registered) ++count;
}

}  // namespace ingot
