// Selection in a row of logits without sorting it: histograms over ever smaller ranges of values,
// the amounts in them counts (top-k) or masses (top-p). Amounts are integers, so that the order of
// the atomic additions does not matter.
#pragma once

#include "kernels/cuda/arch/row_keys.cuh"
#include "kernels/cuda/arch/row_team.cuh"

namespace ingot::cuda {

constexpr int kBins = 1024;
constexpr int kBinBits = 10;

struct RowRange {
  float top, bottom;  // largest and least finite logit; top < bottom: there is none
  int faulty;
  static __device__ RowRange none() { return {-INFINITY, INFINITY, 0}; }
  __device__ void add(float v) {
    faulty |= is_faulty(v);
    top = fmaxf(top, v);
    if (v != -INFINITY) bottom = fminf(bottom, v);
  }
  struct Merge {
    __device__ RowRange operator()(const RowRange& a, const RowRange& b) const {
      return {fmaxf(a.top, b.top), fminf(a.bottom, b.bottom), a.faulty | b.faulty};
    }
  };
};

struct KeyRange {
  uint32_t low, high;
  struct Merge {
    __device__ KeyRange operator()(const KeyRange& a, const KeyRange& b) const {
      return {min(a.low, b.low), max(a.high, b.high)};
    }
  };
};

// In shared memory. Amount: unsigned or unsigned long long.
template <class Amount>
struct Selection {
  Amount bins[kBins];                    // of this block's slice; bin 0 has the largest logits
  Amount sums[kBins / kMostTeamBlocks];  // of this block's share of the bins, over the team
  Amount share;                          // their sum
  TeamSlot<KeyRange> keys;
  TeamSlot<int> ties;
  int tie_warps[kTeamWarps];
  int found;
  Amount above;
  int cut;
};

// The boundary of a selection: everything above `key`, and of the elements that have it as many as
// are missing. `above`: the amount in front of it. Not reached: the row holds less than the target,
// `above` in all, and key is that of -infinity.
template <class Amount>
struct Boundary {
  uint32_t key;
  Amount above;
  bool reached;
};

template <class Amount>
__device__ void clear_bins(Selection<Amount>& s) {
  for (int i = threadIdx.x; i < kBins; i += kTeamThreads) s.bins[i] = 0;
  __syncthreads();
}

// After all bins of the team are filled: found = the bin at which the amount reaches the target, -1
// if none does; above = the amount in bins before it. `above` of the caller lies in front of bin 0.
template <class Amount>
__device__ void find_bin(const Team& team, Selection<Amount>& s, Amount above, Amount target) {
  team.sync();
  const int lane = threadIdx.x % 32;
  const int share = kBins / team.size;
  if (team.size > 1) {
    if (static_cast<int>(threadIdx.x) < share) {
      const int bin = team.rank * share + static_cast<int>(threadIdx.x);
      Amount sum = 0;
      for (int r = 0; r < team.size; ++r) sum += *team.peer(&s.bins[bin], r);
      s.sums[threadIdx.x] = sum;
    }
    __syncthreads();
  }
  Amount* own = team.size > 1 ? s.sums : s.bins;
  if (threadIdx.x < 32) {
    Amount sum = 0;
    for (int i = lane; i < share; i += 32) sum += own[i];
#pragma unroll
    for (int mask = 16; mask > 0; mask /= 2) sum += __shfl_xor_sync(~0u, sum, mask);
    if (lane == 0) s.share = sum;
  }
  team.sync();
  if (threadIdx.x < 32) {
    int r = 0;
    for (; r < team.size; ++r) {
      const Amount sum = *team.peer(&s.share, r);
      if (above + sum >= target) break;
      above += sum;
    }
    if (r == team.size) {
      if (lane == 0) s.found = -1, s.above = above;
    } else {
      const int per_lane = share / 32;
      const Amount* from = team.peer(own, r) + lane * per_lane;
      Amount sum = 0;
      for (int i = 0; i < per_lane; ++i) sum += from[i];
      Amount upto = sum;
#pragma unroll
      for (int d = 1; d < 32; d *= 2) {
        const Amount other = __shfl_up_sync(~0u, upto, d);
        if (lane >= d) upto += other;
      }
      const unsigned reached = __ballot_sync(~0u, above + upto >= target);
      if (lane == __ffs(static_cast<int>(reached)) - 1) {
        above += upto - sum;
        int i = 0;
        for (; i + 1 < per_lane && above + from[i] < target; ++i) above += from[i];
        s.found = r * share + lane * per_lane + i;
        s.above = above;
      }
    }
  }
  __syncthreads();
}

// The largest key at which amount(keys from it up) >= target > 0. `counts(v)` says whether a logit
// can matter: false for -infinity, and if for v, then for all below. `amount(v)` is its part.
template <class Amount, class Counts, class Weigh>
__device__ Boundary<Amount> find_boundary(const Team& team, Selection<Amount>& s,
                                          const RowRange& range, Amount target, Counts counts,
                                          Weigh amount) {
  KeyRange keys = {order_key(range.bottom), order_key(range.top)};
  Amount above = 0;
  if (keys.low < keys.high) {
    // First by distance from the best, up to where a probability is e^-32: logits crowd in few
    // exponents, so the leading bits of their keys would hit few bins.
    const float scale = kBins / fminf(range.top - range.bottom, 32.0f);
    auto bin_of = [&](float v) {
      return v == range.top ? 0 : static_cast<int>(fminf((range.top - v) * scale, kBins - 1.0f));
    };
    clear_bins(s);
    visit_slice(team, [&](int, float v) {
      if (counts(v)) atomicAdd(&s.bins[bin_of(v)], amount(v));
    });
    find_bin(team, s, above, target);
    above = s.above;
    const int found = s.found;
    if (found < 0) return {kLeastKey, above, false};
    KeyRange own = {0xffffffffu, 0};
    visit_slice(team, [&](int, float v) {
      if (!counts(v) || bin_of(v) != found) return;
      const uint32_t key = order_key(v);
      own = {min(own.low, key), max(own.high, key)};
    });
    keys = team_reduce(team, s.keys, own, KeyRange::Merge());
  } else {
    Amount own = 0;
    visit_slice(team, [&](int, float v) {
      if (counts(v)) own += amount(v);
    });
    clear_bins(s);
    if (own != 0) atomicAdd(&s.bins[0], own);
    find_bin(team, s, above, target);
    if (s.found < 0) return {kLeastKey, s.above, false};
  }
  while (keys.low < keys.high) {
    const int shift = max(0, 32 - __clz(static_cast<int>(keys.high - keys.low)) - kBinBits);
    clear_bins(s);
    visit_slice(team, [&](int, float v) {
      if (!counts(v)) return;
      const uint32_t key = order_key(v);
      if (key < keys.low || key > keys.high) return;
      atomicAdd(&s.bins[(keys.high - key) >> shift], amount(v));
    });
    find_bin(team, s, above, target);
    above = s.above;
    const auto found = static_cast<uint32_t>(s.found);
    keys.high -= found << shift;
    const uint32_t width = (1u << shift) - 1;
    if (keys.high - keys.low > width) keys.low = keys.high - width;
  }
  return {keys.high, above, true};
}

// Of the elements with `key`, the `keep` with the lowest ids: those of this slice up to the index
// returned, which is -1 for none.
template <class Amount>
__device__ int tie_cut(const Team& team, Selection<Amount>& s, uint32_t key, int64_t keep) {
  int own = 0;
  visit_slice(team, [&](int, float v) { own += order_key(v) == key; });
  block_reduce(s.ties, own, [](int a, int b) { return a + b; });
  team.sync();
  for (int r = 0; r < team.rank; ++r) keep -= *team.peer(&s.ties.value, r);
  if (keep <= 0) return -1;
  if (keep >= s.ties.value) return INT_MAX;
  int64_t done = 0;
  for (int base = 0; done < keep; base += kTeamThreads) {
    const int i = base + static_cast<int>(threadIdx.x);
    const bool tie = i < team.count && order_key(team.x[i]) == key;
    const unsigned mask = __ballot_sync(~0u, tie);
    const int warp = threadIdx.x / 32;
    if (threadIdx.x % 32 == 0) s.tie_warps[warp] = __popc(mask);
    __syncthreads();
    int before = __popc(mask & ((1u << (threadIdx.x % 32)) - 1));
    int all = 0;
    for (int w = 0; w < kTeamWarps; ++w) {
      if (w < warp) before += s.tie_warps[w];
      all += s.tie_warps[w];
    }
    if (tie && done + before == keep - 1) s.cut = i;
    done += all;
    __syncthreads();
  }
  return s.cut;
}

}  // namespace ingot::cuda
