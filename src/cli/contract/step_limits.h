// What --max-batch-size and --max-num-tokens take, and what stands in for them.
#pragma once

#include <algorithm>

#include "models/contract/default_limits.h"
#include "tensor/dim.h"

namespace ingot {

constexpr int64_t kMostRows = 1 << 16;
constexpr int64_t kMostStepTokens = 1 << 20;
// On a GPU: enough packed tokens for its arithmetic to be the limit.
constexpr int64_t kGpuRows = 256;
constexpr int64_t kGpuStepTokens = 8192;

// Sequences of a step where nobody says how many.
constexpr int64_t default_rows(bool on_gpu) { return on_gpu ? kGpuRows : kDefaultRows; }
// The same with an engine at hand: no more than it was built for. `limits` are its plan's.
inline int64_t default_rows(const SymbolValues& limits, bool on_gpu) {
  const auto built_for = limits.find("batch");
  const int64_t most = default_rows(on_gpu);
  return built_for == limits.end() ? most : std::min(most, built_for->second);
}

// Sizes that an engine which is built for `rows` sequences of a step is tuned for. `tokens` 0: as
// the model says.
inline void set_step_limits(SymbolValues& limits, int64_t rows, int64_t tokens) {
  limits["batch"] = limits["logit_rows"] = rows;
  if (tokens > 0) limits["tokens"] = std::max(tokens, rows);
}

}  // namespace ingot
