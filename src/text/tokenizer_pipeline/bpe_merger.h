// Byte-pair merging of one word. Internal to text/.
#pragma once

#include <cstdint>
#include <vector>

#include "text/tokenizer_pipeline/hash_tables.h"

namespace ingot {

struct MergeRule {
  int32_t left = -1;
  int32_t right = -1;
  int32_t id = -1;    // of the joined token
  uint32_t rank = 0;  // lower merges first; ties go to the leftmost pair
};

// Immutable, thread safe.
class BpeMerger {
 public:
  explicit BpeMerger(const std::vector<MergeRule>& rules);
  // Applies merges to symbols[first..] until none applies, and shrinks the vector.
  // O(n log n) in the number of symbols.
  void merge(std::vector<int32_t>& symbols, size_t first) const;

 private:
  void merge_short(std::vector<int32_t>& symbols, size_t first) const;
  void merge_long(std::vector<int32_t>& symbols, size_t first) const;
  PairTable table_;
};

}  // namespace ingot
