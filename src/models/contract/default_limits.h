// A step of a language model where nobody asks for more: the limits of its graph.
#pragma once

#include <cstdint>

namespace ingot {

constexpr int64_t kDefaultRows = 8;          // sequences in a step
constexpr int64_t kDefaultStepTokens = 512;  // packed tokens in a step

}  // namespace ingot
