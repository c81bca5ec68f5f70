// Which of its rotary frequencies a plan uses for a sequence, where a model's depend on the length.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/plan.h"

namespace ingot {

// A sequence keeps its set from its first token to its last, so that all its keys agree; keys of
// different sets are not the same keys, whatever the tokens.
struct Rotations {
  // Ascending: set i is for lengths up to lengths[i], and one more for what is longer. Empty: all
  // sequences are rotated alike.
  std::vector<int64_t> lengths;
  bool by_prompt = false;  // the length is the prompt's, else what prompt and answer can reach
  int32_t set_of(int64_t prompt, int64_t longest) const;
};

// Input of a plan with several sets: int32[tokens], the set of each token's sequence.
constexpr const char* kRotationsInput = "rotations";

// From the plan's metadata "rotation_lengths" ("2048,4096") and "rotation_by" ("prompt" or
// "sequence"). Error{kUnsupported} naming the plan and what is wrong with them; the input must be
// there if they are, and not else.
Rotations read_rotations(const Plan& plan);

}  // namespace ingot
