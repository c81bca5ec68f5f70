// Tiles of query rows of packed sequences: what a block of a prefill kernel works on.
#pragma once

#include "kernels/cuda/arch/attention.cuh"

namespace ingot::cuda {

// Query rows [first, first + tile size) of a sequence, counted as token * group + head of the
// group.
struct RowTile {
  int sequence, first, rows, token;  // rows of the sequence; its first token; sequence -1: none
};

// One sequence, as a lane looks at it: its first token, its rows, its tiles; none where the
// kernel's bounds leave the sequence out.
struct SequenceTiles {
  int first, rows, tiles;
};
__device__ inline SequenceTiles sequence_tiles(const AttentionArgs& a, int tile_rows,
                                               int sequence) {
  SequenceTiles out = {0, 0, 0};
  if (sequence >= a.keys.batch) return out;
  const FreshTokens fresh = fresh_tokens(a, sequence);
  out.first = fresh.first;
  out.rows = fresh.count * a.group;
  out.tiles = (out.rows + tile_rows - 1) / tile_rows;
  return out;
}

// Tiles of all sequences. Call with all 32 lanes.
__device__ inline int count_row_tiles(const AttentionArgs& a, int tile_rows, int lane) {
  int count = 0;
#pragma unroll 1
  for (int base = 0; base < a.keys.batch; base += 32) {
    count += sequence_tiles(a, tile_rows, base + lane).tiles;
  }
  return __reduce_add_sync(~0u, count);
}

// Tile `left` in the order of sequences. Call with all 32 lanes.
__device__ inline RowTile row_tile_at(const AttentionArgs& a, int tile_rows, int left, int lane) {
#pragma unroll 1
  for (int base = 0; base < a.keys.batch; base += 32) {
    const auto [first, rows, tiles] = sequence_tiles(a, tile_rows, base + lane);
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

// The grid is sized by shapes alone, with a spare tile a sequence. Every warp finds its block's
// tile, the last ones, which see the most keys, first. Call with all 32 lanes.
__device__ inline RowTile find_row_tile(const AttentionArgs& a, int tile_rows, int lane) {
  return row_tile_at(a, tile_rows, static_cast<int>(gridDim.x - 1 - blockIdx.x), lane);
}

// Tiles enough for any way in which `tokens` tokens belong to `sequences` sequences.
inline int64_t most_row_tiles(int64_t tokens, int64_t group, int64_t sequences, int64_t tile_rows) {
  return ceil_div(tokens * group, tile_rows) + (sequences < tokens ? sequences : tokens);
}

}  // namespace ingot::cuda
