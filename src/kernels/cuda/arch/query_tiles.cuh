// Tiles of query rows of packed sequences: what a block of a prefill kernel works on.
#pragma once

#include "kernels/cuda/arch/attention.cuh"

namespace ingot::cuda {

// Query rows [first, first + tile size) of a sequence, counted as token * group + head of the
// group.
struct RowTile {
  int sequence, first, rows, token;  // rows of the sequence; its first token; sequence -1: none
};

// The grid is sized by shapes alone, with a spare tile a sequence. Every warp finds its block's
// tile, the last ones, which see the most keys, first. Call with all 32 lanes.
__device__ inline RowTile find_row_tile(const AttentionArgs& a, int tile_rows, int lane) {
  int left = static_cast<int>(gridDim.x - 1 - blockIdx.x);
  for (int base = 0; base < a.keys.batch; base += 32) {
    const int sequence = base + lane;
    int first = 0, rows = 0;
    if (sequence < a.keys.batch) {
      first = a.query_offsets[sequence];
      rows = max(min(a.query_offsets[sequence + 1], a.tokens) - first, 0) * a.group;
    }
    const int tiles = (rows + tile_rows - 1) / tile_rows;
    int up_to = tiles;  // tiles of this and the earlier lanes
#pragma unroll
    for (int offset = 1; offset < 32; offset *= 2) {
      const int before = __shfl_up_sync(~0u, up_to, offset);
      if (lane >= offset) up_to += before;
    }
    const unsigned past = __ballot_sync(~0u, left < up_to);
    if (past != 0) {
      const int owner = __ffs(static_cast<int>(past)) - 1;
      const int index = left - (__shfl_sync(~0u, up_to, owner) - __shfl_sync(~0u, tiles, owner));
      return {base + owner, index * tile_rows, __shfl_sync(~0u, rows, owner),
              __shfl_sync(~0u, first, owner)};
    }
    left -= __shfl_sync(~0u, up_to, 31);
  }
  return {-1, 0, 0, 0};
}

// Tiles enough for any way in which `tokens` tokens belong to `sequences` sequences.
inline int64_t most_row_tiles(int64_t tokens, int64_t group, int64_t sequences, int64_t tile_rows) {
  return ceil_div(tokens * group, tile_rows) + (sequences < tokens ? sequences : tokens);
}

}  // namespace ingot::cuda
