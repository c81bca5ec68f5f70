// The size of a KV page, which models lay out, kernels walk and the scheduler counts in.
#pragma once

#include <cstdint>

namespace ingot {

// Positions of one page. Two tiles of 16 rows, the tensor cores' and AMX's step, so that no tile
// straddles pages; a page of one head of 64 to 256 16-bit elements is then 4 to 16 KiB, one or a
// few pages of memory; and a sequence wastes at most 31 positions, a prefix is shared to within 31.
constexpr int64_t kKvBlockTokens = 32;

// Longest sequence: whole pages whose positions are counted in 31 bits.
constexpr int64_t kMostSequence = (int64_t{1} << 31) - kKvBlockTokens;

// Pages that hold `tokens` positions.
constexpr int64_t kv_blocks(int64_t tokens) {
  return tokens / kKvBlockTokens + (tokens % kKvBlockTokens != 0 ? 1 : 0);
}

}  // namespace ingot
