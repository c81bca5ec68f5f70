// The modes of `ingot bench MODE MODEL`. One mode, one file: bench_<mode>.cc.
#pragma once

#include <string_view>

#include "cli/contract/bench_session.h"

namespace ingot {

struct BenchMode {
  std::string_view name;
  std::string_view help;
  // The figures, with the whole configuration. `flags` are checked and name a model.
  Json (*measure)(const BenchFlags& flags);
  void (*print)(const Json& out, const BenchFlags& flags);  // for people
};

const BenchMode& throughput_mode();
const BenchMode& latency_mode();
const BenchMode& decode_mode();
const BenchMode& kernels_mode();
// nullptr where the word is none: then it is a model.
const BenchMode* find_bench_mode(std::string_view name);

}  // namespace ingot
