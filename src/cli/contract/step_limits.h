// What --max-batch-size and --max-num-tokens take, and what stands in for them.
#pragma once

#include "models/contract/default_limits.h"

namespace ingot {

constexpr int64_t kMostRows = 1 << 16;
constexpr int64_t kMostStepTokens = 1 << 20;
// On a GPU: enough packed tokens for its arithmetic to be the limit.
constexpr int64_t kGpuRows = 256;
constexpr int64_t kGpuStepTokens = 8192;

}  // namespace ingot
