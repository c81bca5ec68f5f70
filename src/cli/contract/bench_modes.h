// The modes of `ingot bench MODE MODEL`. One mode, one file: cli/bench_modes/<mode>.cc defines
// `const BenchMode& <mode>_mode()`; the file name registers it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/contract/bench_session.h"

namespace ingot {

struct BenchMode {
  std::string_view name;
  std::string_view help;
  // The figures, with the whole configuration. `flags` are checked and name a model, unless it does
  // not open one. "interrupted": true means that Ctrl-C cut it short.
  Json (*measure)(const BenchFlags& flags);
  void (*print)(const Json& out, const BenchFlags& flags);  // for people
  // Names of the flags that it reads, of those that some mode reads and others do not.
  std::vector<std::string> flags;
  bool opens_model = true;
};

// Generated from the file names in cli/bench_modes.
const std::vector<const BenchMode*>& cli_mode_list();
// nullptr where the word is none: then it is a model.
const BenchMode* find_bench_mode(std::string_view name);
// UsageError for a flag of `given` that only other modes read, `plain` being those of no mode.
void check_mode_flags(const BenchMode* mode, const std::vector<std::string>& plain,
                      const std::vector<std::string>& given);
// "decode, kernels, latency or throughput".
std::string bench_mode_names();

constexpr int64_t kBenchWarmTokens = 4;  // decoded before anything is timed

}  // namespace ingot
