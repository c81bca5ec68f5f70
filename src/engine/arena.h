// Static memory planning: where each intermediate lives, given when it is alive.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ingot {

constexpr int64_t kArenaAlignment = 64;  // one cache line

// A buffer alive from step `first` to step `last`, both included.
struct ArenaItem {
  int64_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct ArenaLayout {
  std::vector<int64_t> offsets;  // by item, multiples of kArenaAlignment
  int64_t total = 0;             // peak bytes
  int64_t bound = 0;             // most bytes alive at any one step: no layout can be smaller
};

// First fit by decreasing size (Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net
// Inference", 2020), retried in order of first use; the smaller of the two wins.
ArenaLayout solve_arena(std::span<const ArenaItem> items);

}  // namespace ingot
