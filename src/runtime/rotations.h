// Which of its rotary frequencies a plan uses for a sequence, where a model's depend on the length.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/plan.h"

namespace ingot {

// Keys of different sets are not the same keys, whatever the tokens.
struct Rotations {
  // The length that counts: the prompt's, or what prompt and answer can reach, for all tokens of a
  // sequence; or the prompt's for its tokens, and for one that follows the length up to itself.
  enum class By { kPrompt, kSequence, kToken };
  // Ascending: set i is for lengths up to lengths[i], and one more for what is longer. Empty: all
  // sequences are rotated alike. By token there is one length n: set 0 is for lengths up to n, set
  // i for n + i.
  std::vector<int64_t> lengths;
  By by = By::kSequence;
  // Of a sequence, or of its prompt.
  int32_t set_of(int64_t prompt, int64_t longest) const;
  // Of the token at `position` in a sequence with that set.
  int32_t set_at(int32_t set, int64_t position) const {
    if (by != By::kToken || lengths.empty()) return set;
    return std::max(set, static_cast<int32_t>(std::max<int64_t>(position + 1 - lengths[0], 0)));
  }
};

// Input of a plan with several sets: int32[tokens], the set of each token.
constexpr const char* kRotationsInput = "rotations";

// From the plan's metadata "rotation_lengths" ("2048,4096") and "rotation_by" ("prompt", "sequence"
// or "token"). Error{kUnsupported} naming the plan and what is wrong with them; the input must be
// there if they are, and not else.
Rotations read_rotations(const Plan& plan);

}  // namespace ingot
