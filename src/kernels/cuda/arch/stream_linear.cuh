// Linear layers of up to 16 rows of 16-bit x and weights at the rate of device memory: one block a
// multiprocessor streams rows of weights through shared memory and multiplies them on tensor cores.
// A policy (arch/linear_unit.cuh) makes outputs of sums.
#pragma once

#include <algorithm>
#include <climits>
#include <type_traits>

#include "kernels/cuda/arch/bulk_copy.cuh"
#include "kernels/cuda/arch/gemv.cuh"
#include "kernels/cuda/arch/mma.cuh"

namespace ingot::cuda::stream_linear {

constexpr int kWarps = 8;  // that multiply; one more fetches
constexpr int kMultiply = 32 * kWarps;
constexpr int kThreads = kMultiply + 32;
constexpr int64_t kMostRows = 16;  // of x
constexpr int kStep = 32;          // elements of K that a warp takes at a time: two matrix products
constexpr int kRows = 16;          // of the weight, that a block makes sums of at a time
// Of K, in a stage. The engine takes some 38 ns for a copy, however short (H200): rows of 2 KiB
// come faster than device memory gives them, rows of 1 KiB do not.
constexpr int kChunk = 1024;
constexpr int kSteps = kChunk / (kWarps * kStep);  // of a warp, in a stage
// Rows of weights stand 64 bytes further apart than their length, so that eight lanes' 16-byte
// words of two rows lie in different banks.
constexpr int kStride = 2 * kChunk + 64;  // bytes
constexpr int kStage = kRows * kStride;
// Two blocks share a multiprocessor: the next layer's weights arrive while this one's last are
// multiplied and the small kernels between them run.
constexpr int kStages = 3;
constexpr int kMultiplyBarrier = 1;  // named; of the warps that multiply

template <class Unit>
constexpr bool kAddsResidual = std::is_same_v<Unit, ResidualUnit>;

// For 8 kTokenTiles rows of x.
template <int kTokenTiles>
struct Form {
  static constexpr int kTokens = 8 * kTokenTiles;
  static constexpr int kSumStride = kRows + 4;  // floats; lanes of a sum tile hit all banks
  static constexpr int kSums = kWarps * kTokens * kSumStride;
  static constexpr int kShared = kStages * kStage + 4 * kSums + 16 * kStages;
};

// What lies in shared memory: stages, then sums [warp][token][row], then barriers: a stage is full
// when its copies have arrived, and free when each thread that multiplies has read its part. (An
// arrival a warp, behind __syncwarp, is as right, and so are named barriers, but racecheck reports
// both: decisions.md, 101.)
template <class F>
struct Memory {
  std::byte* stages;
  float* sums;
  uint64_t *full, *free;
  __device__ explicit Memory(std::byte* shared)
      : stages(shared),
        sums(reinterpret_cast<float*>(shared + kStages * kStage)),
        full(reinterpret_cast<uint64_t*>(sums + F::kSums)),
        free(full + kStages) {}
};

// The output columns of a block: a tile of each whole round over the blocks, so that all read from
// one stretch of memory at a time (blocks with a stretch each were 15 % slower), then an equal
// share of what is left. A tile's kRows rows of the weight stand part by part. 32-bit arithmetic:
// it stands before the first load.
template <class Unit>
struct Columns {
  static constexpr int kTile = kRows / Unit::kParts;
  int whole, n;
  // Calls f(first column, how many) for each group, in order.
  template <class F>
  __device__ void visit(F&& f) const {
    const int blocks = static_cast<int>(gridDim.x);
    const int block = static_cast<int>(blockIdx.x);
    for (int at = block * kTile; at < whole; at += blocks * kTile) f(at, kTile);
    const int first = whole + (n - whole) * block / blocks;
    const int last = whole + (n - whole) * (block + 1) / blocks;
    if (first < last) f(first, last - first);
  }
};

// The fetching warp: weights do not depend on earlier kernels, so it starts at once.
template <class F, class Unit>
__device__ void fetch(const GemvArgs& a, const Columns<Unit>& columns, const Memory<F>& memory) {
  constexpr int kParts = Unit::kParts, kTile = Columns<Unit>::kTile;
  const uint64_t policy = evict_first_policy();
  const int lane = threadIdx.x % 32;
  const int part = kParts == 1 ? 0 : min(lane / kTile, kParts - 1);
  const int column = lane - part * kTile;  // kTile and more: in lanes without a row
  Ring<kStages> ring;
  columns.visit([&](int first, int count) {
    const std::byte* row = piece_row(a.weight, first + min(column, count - 1) + part * a.n);
    for (int64_t k = 0; k < a.k; k += kChunk) {
      barrier_wait(&memory.free[ring.index], ring.parity ^ 1);  // passes in the first round
      const auto bytes = static_cast<int>(2 * min(int64_t{kChunk}, a.k - k));
      uint64_t* full = &memory.full[ring.index];
      if (lane == 0) barrier_expect(full, bytes * count * kParts);
      __syncwarp();
      if (column < count) {
        std::byte* to = memory.stages + ring.index * kStage + lane * kStride;
        bulk_copy(to, row + 2 * k, bytes, full, policy);
      }
      ring.advance();
    }
  });
  wait_for_earlier();
}

// Eight elements of x as they lie in memory.
template <class T>
__device__ uint4 load_words(const T* p, bool vector) {
  if (vector) return *reinterpret_cast<const uint4*>(p);
  alignas(16) T v[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) v[i] = p[i];
  return *reinterpret_cast<const uint4*>(v);
}

// Lane l multiplies elements 8 (l % 4) .. + 7 of each step: which of them a matrix instruction
// takes for its columns 2 (l % 4) and on does not matter as long as weights and x agree.
template <class T, int kTokenTiles>
struct Multiplier {
  const GemvArgs& a;
  const int warp = threadIdx.x / 32, group = threadIdx.x % 32 / 4, quad = threadIdx.x % 4;
  float sum[kTokenTiles][4];

  __device__ void clear() {
#pragma unroll
    for (int i = 0; i < kTokenTiles * 4; ++i) (&sum[0][0])[i] = 0;
  }

  // The x of this warp's steps in the chunk that begins at k.
  __device__ void load_x(int64_t k, uint4 (&x)[kSteps][kTokenTiles]) const {
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      const int64_t at = k + (warp + kWarps * s) * kStep + 8 * quad;
#pragma unroll
      for (int t = 0; t < kTokenTiles; ++t) {
        const int token = 8 * t + group;
        x[s][t] = make_uint4(0, 0, 0, 0);
        if (token < a.m && at < a.k) {
          x[s][t] =
              load_words(static_cast<const T*>(a.x.data) + token * a.x_stride + at, a.x_vector);
        }
      }
    }
  }

  __device__ void multiply(const std::byte* stage, int64_t k,
                           const uint4 (&x)[kSteps][kTokenTiles]) {
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      const int step = warp + kWarps * s;
      if (k + step * kStep >= a.k) return;
      const std::byte* row = stage + group * kStride + 2 * kStep * step + 16 * quad;
      const uint4 low = *reinterpret_cast<const uint4*>(row);
      const uint4 high = *reinterpret_cast<const uint4*>(row + 8 * kStride);
      const uint32_t first[4] = {low.x, high.x, low.y, high.y};
      const uint32_t second[4] = {low.z, high.z, low.w, high.w};
#pragma unroll
      for (int t = 0; t < kTokenTiles; ++t) {
        mma16816(sum[t], first, x[s][t].x, x[s][t].y, T{});
        mma16816(sum[t], second, x[s][t].z, x[s][t].w, T{});
      }
    }
  }

  __device__ void write_sums(float* sums) const {
    using F = Form<kTokenTiles>;
    float* mine = sums + warp * F::kTokens * F::kSumStride;
#pragma unroll
    for (int t = 0; t < kTokenTiles; ++t) {
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        const int token = 8 * t + 2 * quad + c % 2;
        if (token < a.m) mine[token * F::kSumStride + group + 8 * (c / 2)] = sum[t][c];
      }
    }
  }
};

// Adds the warps' sums in their order, the bias and the residual, and stores `count` output
// columns. What the others were made of is left from earlier stages, or never written.
template <class F, class Unit>
__device__ void store_columns(const GemvArgs& a, const float* sums, int64_t first, int count,
                              const Unit& unit) {
  constexpr int kTile = Columns<Unit>::kTile;
  for (int i = threadIdx.x; i < a.m * kTile; i += kMultiply) {
    const int token = i / kTile;
    const int column = i % kTile;
    if (column >= count) continue;
    const int64_t n = first + column;
    float sum[Unit::kParts];
#pragma unroll
    for (int p = 0; p < Unit::kParts; ++p) {
      sum[p] = a.bias.data ? load_any(a.bias, n + p * a.n) : 0.0f;
      for (int w = 0; w < kWarps; ++w) {
        sum[p] += sums[(w * F::kTokens + token) * F::kSumStride + column + p * kTile];
      }
    }
    if constexpr (kAddsResidual<Unit>) {
      sum[0] += load_any(a.residual, token * a.residual_stride + n);
    }
    store_any(a.y, a.y_type, token * a.y_stride + n, unit.value(sum));
  }
}

template <class T, int kTokenTiles, class Unit>
__global__ void __launch_bounds__(kThreads, kTokenTiles == 1 ? 2 : 1)
    stream(GemvArgs a, Columns<Unit> columns, Unit unit) {
  using F = Form<kTokenTiles>;
  extern __shared__ __align__(128) std::byte shared[];
  const Memory<F> memory(shared);
  if (threadIdx.x == 0) {
    for (int s = 0; s < kStages; ++s) {
      barrier_init(&memory.full[s], 1);
      barrier_init(&memory.free[s], kMultiply);
    }
    barrier_init_fence();
  }
  __syncthreads();
  // Once the last weights are on their way would be 1 to 10 % slower.
  if (a.next_start == NextStart::kAtOnce) let_next_start();
  if (threadIdx.x >= kMultiply) return fetch(a, columns, memory);

  wait_for_earlier();
  Multiplier<T, kTokenTiles> m{a};
  Ring<kStages> ring;
  columns.visit([&](int first, int count) {
    m.clear();
    uint4 x[kSteps][kTokenTiles], next[kSteps][kTokenTiles];
    m.load_x(0, next);
    for (int64_t k = 0; k < a.k; k += kChunk) {
#pragma unroll
      for (int i = 0; i < kSteps * kTokenTiles; ++i) (&x[0][0])[i] = (&next[0][0])[i];
      m.load_x(k + kChunk, next);
      barrier_wait(&memory.full[ring.index], ring.parity);
      m.multiply(memory.stages + ring.index * kStage, k, x);
      barrier_arrive(&memory.free[ring.index]);
      ring.advance();
    }
    m.write_sums(memory.sums);
    named_sync(kMultiplyBarrier, kMultiply);
    store_columns<F>(a, memory.sums, first, count, unit);
    named_sync(kMultiplyBarrier, kMultiply);
  });
}

// Calls f(kernel, shared bytes) for m rows of x of a 16-bit type.
template <class Unit, class F>
void with_kernel(const ElementType& type, int64_t m, F&& f) {
  with_float(type, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (sizeof(T) == 2) {
      if (m <= 8) return f(stream<T, 1, Unit>, Form<1>::kShared);
      f(stream<T, 2, Unit>, Form<2>::kShared);
    }
  });
}

inline std::string supports(const KernelDesc& desc) {
  const ElementType& x = desc.inputs[0].type;
  const ElementType& w = desc.inputs[1].type;
  if (desc.capability < 90) return "needs compute capability 9.0";
  if (desc.capability >= 120) return "needs more than 99 KiB of shared memory";
  if (cuda_code_version(desc.capability) < 90) return "built for earlier GPUs";
  if (x == DType::kFloat32 || !is_activation(x) || !(x == w)) {
    return "input is " + x.name() + ", weight is " + w.name();
  }
  const int64_t rows = rows_of(desc.inputs[0].shape);
  if (rows > kMostRows) return std::to_string(rows) + " rows; at most 16";
  if (!desc.inputs[1].constant) return "weight is computed";  // it is read before the wait
  if (desc.inputs[0].shape.back() % kStep != 0) return "K is not a multiple of 32";
  if (desc.inputs[1].shape[0] > INT_MAX / 2) return "too many output columns";
  return linear_supports(desc);
}

// One row is faster in short blocks (arch/gemv_rows.cuh).
inline int rank(const KernelDesc& desc) { return rows_of(desc.inputs[0].shape) > 1 ? 35 : 25; }

// `name` is the KernelDef's.
template <class Unit>
void launch(const char* name, const LaunchArgs& args, ExecContext& context, Unit unit,
            NextStart next) {
  constexpr int kTile = Columns<Unit>::kTile;
  GemvArgs a = gemv_args(args, 1);
  a.next_start = next;
  if (kAddsResidual<Unit>) set_residual(a, args);
  if (a.m == 0 || a.n == 0) return;
  CHECK_LE(a.m, kMostRows);
  CHECK_MSG(is_vector_aligned(a.weight), "weights are not at 16-byte boundaries");
  const auto n = static_cast<int>(a.n);
  const int blocks = std::min(n, multiprocessors());
  const Columns<Unit> columns = {n / (blocks * kTile) * (blocks * kTile), n};
  with_kernel<Unit>(args.inputs[0].type, a.m, [&](auto kernel, int shared) {
    launch_early(name, context, kernel, {blocks, 1, kThreads}, static_cast<size_t>(shared), a,
                 columns, unit);
  });
}

template <class Unit>
std::unique_ptr<KernelInstance> instance(const char* name, const KernelDesc& desc) {
  for (int64_t m : {int64_t{8}, kMostRows}) {
    with_kernel<Unit>(desc.inputs[0].type, m,
                      [&](auto kernel, int shared) { allow_shared(name, kernel, shared); });
  }
  return make_instance([name, unit = Unit::of(desc.attrs), next = next_start(desc)](
                           const LaunchArgs& args, ExecContext& context) {
    launch(name, args, context, unit, next);
  });
}

}  // namespace ingot::cuda::stream_linear
