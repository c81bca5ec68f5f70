// Inputs of moe_ffn, by place; kMoeUp is left out where gate and up are one matrix.
#pragma once

#include <cstddef>

namespace ingot {

enum MoeInput : size_t { kMoeX, kMoeIds, kMoeWeights, kMoeGate, kMoeDown, kMoeUp };

}  // namespace ingot
