// Mixtures of experts by dot products in float32: a warp makes one column of what goes into down,
// or two of what comes out. A policy says how weights are read:
//   kRows, kFew: pairs of one expert that share a reading, and where there are no more than that
//   dot<kRows, kOut, kOwn>(x, at, w, depth, acc): acc[m][r] += w[r] . (row m of x, or with kOwn row
//   r of x), this lane's part; `at`: where the rows begin. Each sum is one chain a lane, which
//   depends on depth alone.
#pragma once

#include "kernels/cuda/arch/moe.cuh"

namespace ingot::cuda {

constexpr int kMoeWarps = 8;
constexpr int kMoeThreads = 32 * kMoeWarps;

// Up to kRows pairs of a tile (the last one stands in for those past its end). For the first
// product (`gate`) column `column` of `middle`, else columns `column` and the next of `parts`.
// kDirect: a place is its pair.
template <class Policy, int kRows, bool kDirect>
__device__ void make_columns(const MoeArgs& a, const ExpertTile& tile, int column, bool gate) {
  const std::byte* const w[2] = {
      gate ? a.gate.row(tile.expert, column) : a.down.row(tile.expert, column),
      gate ? a.up.row(tile.expert, column) : a.down.row(tile.expert, column + 1)};
  int64_t at[kRows];
#pragma unroll
  for (int m = 0; m < kRows; ++m) {
    const int place = tile.first + min(m, tile.rows - 1);
    const int pair = kDirect ? place : a.order[place];
    at[m] = gate ? pair / a.k * a.x_stride : static_cast<int64_t>(place) * a.inner;
  }
  const AnyFloats x = {gate ? a.x.data : a.middle, a.x.type};
  float acc[kRows][2] = {};
  Policy::template dot<kRows, 2, false>(x, at, w, gate ? a.hidden : a.inner, acc);
  const int lane = threadIdx.x % 32;
  float first = 0, second = 0;
#pragma unroll
  for (int m = 0; m < kRows; ++m) {
    const float one = warp_sum(acc[m][0]);
    const float two = warp_sum(acc[m][1]);
    if (lane == m) {
      first = one;
      second = two;
    }
  }
  if (lane >= min(kRows, tile.rows)) return;
  const int64_t place = tile.first + lane;
  if (gate) {
    store_any(a.middle, a.x.type, place * a.inner + column, gated(a.activation, first, second));
  } else {
    float* to = a.parts + static_cast<int64_t>(a.order[place]) * a.hidden + column;
    *reinterpret_cast<float2*>(to) = make_float2(first, second);
  }
}

// grid: groups of kMoeWarps warps' columns, tiles of pairs.
template <class Policy>
__global__ void __launch_bounds__(kMoeThreads) grouped_columns(MoeArgs a, bool gate) {
  wait_for_earlier();
  let_next_start();
  const int warp = static_cast<int>(blockIdx.x) * kMoeWarps + threadIdx.x / 32;
  const int column = gate ? warp : 2 * warp;
  if (column >= (gate ? a.inner : a.hidden)) return;
  const ExpertTile tile = find_expert_tile(a, Policy::kRows, blockIdx.y);
  if (tile.expert < 0) return;
  if (tile.rows == 1) return make_columns<Policy, 1, false>(a, tile, column, gate);
  if (tile.rows <= Policy::kFew) {
    return make_columns<Policy, Policy::kFew, false>(a, tile, column, gate);
  }
  make_columns<Policy, Policy::kRows, false>(a, tile, column, gate);
}

// The first product, every pair by itself. grid: groups of kMoeWarps columns, pairs.
template <class Policy>
__global__ void __launch_bounds__(kMoeThreads) gate_direct(MoeArgs a) {
  wait_for_earlier();
  let_next_start();
  const int column = static_cast<int>(blockIdx.x) * kMoeWarps + threadIdx.x / 32;
  const int pair = blockIdx.y;
  const int id = a.ids[pair];
  if (column >= a.inner || id < 0 || id >= a.experts) return;
  make_columns<Policy, 1, true>(a, {id, pair, 1}, column, true);
}

// kOut of a token's experts, from pair `first` on: their part of one column added to `sum`.
template <class Policy, int kOut>
__device__ float add_experts(const MoeArgs& a, int64_t first, int column, float sum) {
  const std::byte* w[kOut];
  int64_t at[kOut];
  float weight[kOut];
  bool real[kOut];
#pragma unroll
  for (int r = 0; r < kOut; ++r) {
    const int id = a.ids[first + r];
    real[r] = id >= 0 && id < a.experts;
    w[r] = a.down.row(real[r] ? id : 0, column);
    at[r] = (first + r) * a.inner;
    weight[r] = a.weights[first + r];
  }
  float acc[1][kOut] = {};
  Policy::template dot<1, kOut, true>({a.middle, a.x.type}, at, w, a.inner, acc);
#pragma unroll
  for (int r = 0; r < kOut; ++r) {
    const float part = warp_sum(acc[0][r]);
    if (real[r]) sum = fmaf(weight[r], part, sum);
  }
  return sum;
}

// One column of y, all of a token's experts. grid: groups of kMoeWarps columns, tokens.
template <class Policy>
__global__ void __launch_bounds__(kMoeThreads) down_direct(MoeArgs a) {
  wait_for_earlier();
  let_next_start();
  const int column = static_cast<int>(blockIdx.x) * kMoeWarps + threadIdx.x / 32;
  const int token = blockIdx.y;
  if (column >= a.hidden) return;
  const int64_t first = static_cast<int64_t>(token) * a.k;
  float sum = 0;
  int j = 0;
  for (; j + 4 <= a.k; j += 4) sum = add_experts<Policy, 4>(a, first + j, column, sum);
  for (; j + 2 <= a.k; j += 2) sum = add_experts<Policy, 2>(a, first + j, column, sum);
  for (; j < a.k; ++j) sum = add_experts<Policy, 1>(a, first + j, column, sum);
  if (threadIdx.x % 32 == 0) store_any(a.y, a.x.type, token * a.y_stride + column, sum);
}

// The two products, grouped; `name` is the kernel's.
template <class GatePolicy>
void launch_gate(std::string_view name, const MoeArgs& a, ExecContext& context) {
  const int64_t tiles = most_expert_tiles(a, GatePolicy::kRows);
  launch_early(name, context, grouped_columns<GatePolicy>,
               {ceil_div(a.inner, kMoeWarps), tiles, kMoeThreads}, 0, a, true);
}
template <class DownPolicy>
void launch_down(std::string_view name, const MoeArgs& a, ExecContext& context) {
  const int64_t tiles = most_expert_tiles(a, DownPolicy::kRows);
  launch_early(name, context, grouped_columns<DownPolicy>,
               {ceil_div(a.hidden, 2 * kMoeWarps), tiles, kMoeThreads}, 0, a, false);
}

inline std::string moe_gemv_supports(const KernelDesc& desc, int64_t rows) {
  const int64_t tiles = moe_pairs(desc) / rows + 1 + desc.inputs[kMoeDown].shape[0];
  return tiles > 65535 ? "too many tokens" : moe_supports(desc);
}

}  // namespace ingot::cuda
