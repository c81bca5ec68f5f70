// Kernels that look at a row of logits several times: a cluster of blocks shares the row, each
// block keeps its slice in shared memory, so that device memory is read once, and one row alone
// still occupies several multiprocessors. How a row is cut depends on its length (and the device)
// alone, never on the number of rows.
#pragma once

#include <climits>
#include <cstring>

#include "kernels/cuda/arch/cluster.cuh"
#include "kernels/cuda/contract/views.h"

namespace ingot::cuda {

constexpr int kTeamThreads = 512;
constexpr int kTeamWarps = kTeamThreads / 32;
constexpr int kMostTeamBlocks = 8;  // the largest cluster that every device has

struct TeamRows {
  const float* x;
  float* y;                    // filters only
  int64_t x_stride, y_stride;  // elements
  int n;                       // of a row
  int blocks;                  // of a row
  int slice;                   // elements of a block, a multiple of 4
  bool staged;                 // slices fit in shared memory
  bool vector;                 // rows in 16-byte words
};

// One block's part of a row.
struct Team {
  int64_t row;
  int rank, size;
  const float* x;  // the slice, in shared memory once staged
  int begin;       // of the slice in the row
  int count;
  bool vector;

  __device__ explicit Team(const TeamRows& a)
      : row(blockIdx.x / a.blocks),
        rank(static_cast<int>(blockIdx.x % a.blocks)),
        size(a.blocks),
        begin(min(a.n, rank * a.slice)),
        count(min(a.slice, a.n - begin)),
        vector(a.vector) {
    x = a.x + row * a.x_stride + begin;
  }
  __device__ void sync() const {
    if (size > 1) {
      cluster_sync();
    } else {
      __syncthreads();
    }
  }
  template <class T>
  __device__ T* peer(T* own, int r) const {
    return size > 1 ? cluster_peer(own, r) : own;
  }
};

// f(index in the slice, value) for the elements of this thread, ascending. Elements of one word of
// four stay with one thread in every function here.
template <class F>
__device__ void visit_slice(const Team& team, F&& f) {
  int done = 0;
  if (team.vector) {
    const auto* words = reinterpret_cast<const float4*>(team.x);
    const int whole = team.count / 4;
#pragma unroll 2
    for (int w = threadIdx.x; w < whole; w += kTeamThreads) {
      const float4 v = words[w];
      f(4 * w, v.x), f(4 * w + 1, v.y), f(4 * w + 2, v.z), f(4 * w + 3, v.w);
    }
    done = 4 * whole;
  }
  for (int i = done + static_cast<int>(threadIdx.x); i < team.count; i += kTeamThreads) {
    f(i, team.x[i]);
  }
}

// The same from device memory, the first time: with several loads on their way, and into shared
// memory where the slice fits and `stage`. A barrier must follow before other threads' elements are
// read there.
template <class F>
__device__ void load_slice(const TeamRows& a, Team& team, bool stage, F&& f) {
  extern __shared__ float4 shared_slice[];
  constexpr int kFlight = 4;
  stage = stage && a.staged;
  int done = 0;
  if (team.vector) {
    const auto* words = reinterpret_cast<const float4*>(team.x);
    const int whole = team.count / 4;
    for (int base = threadIdx.x; base < whole; base += kFlight * kTeamThreads) {
      float4 v[kFlight];
#pragma unroll
      for (int u = 0; u < kFlight; ++u) {
        if (base + u * kTeamThreads < whole) v[u] = __ldg(words + base + u * kTeamThreads);
      }
#pragma unroll
      for (int u = 0; u < kFlight; ++u) {
        const int w = base + u * kTeamThreads;
        if (w >= whole) break;
        if (stage) shared_slice[w] = v[u];
        f(4 * w, v[u].x), f(4 * w + 1, v[u].y), f(4 * w + 2, v[u].z), f(4 * w + 3, v[u].w);
      }
    }
    done = 4 * whole;
  }
  for (int i = done + static_cast<int>(threadIdx.x); i < team.count; i += kTeamThreads) {
    const float v = __ldg(team.x + i);
    if (stage) reinterpret_cast<float*>(shared_slice)[i] = v;
    f(i, v);
  }
  if (stage) team.x = reinterpret_cast<const float*>(shared_slice);
}

// y[i] = f(i, x[i]) over the slice.
template <class F>
__device__ void write_slice(const TeamRows& a, const Team& team, F&& f) {
  float* y = a.y + team.row * a.y_stride + team.begin;
  int done = 0;
  if (team.vector) {
    const auto* words = reinterpret_cast<const float4*>(team.x);
    const int whole = team.count / 4;
#pragma unroll 4
    for (int w = threadIdx.x; w < whole; w += kTeamThreads) {
      const float4 v = words[w];
      reinterpret_cast<float4*>(y)[w] =
          make_float4(f(4 * w, v.x), f(4 * w + 1, v.y), f(4 * w + 2, v.z), f(4 * w + 3, v.w));
    }
    done = 4 * whole;
  }
  for (int i = done + static_cast<int>(threadIdx.x); i < team.count; i += kTeamThreads) {
    y[i] = f(i, team.x[i]);
  }
}
__device__ inline void copy_slice(const TeamRows& a, const Team& team) {
  write_slice(a, team, [](int, float v) { return v; });
}

template <class T>
__device__ T shuffle_xor(const T& v, int mask) {
  static_assert(sizeof(T) % 4 == 0);
  unsigned words[sizeof(T) / 4];
  memcpy(words, &v, sizeof(T));
#pragma unroll
  for (unsigned& word : words) word = __shfl_xor_sync(~0u, word, mask);
  T out;
  memcpy(&out, words, sizeof(T));
  return out;
}

// In shared memory, one for each reduction of a kernel.
template <class T>
struct TeamSlot {
  T warps[kTeamWarps];
  T value;
};

// Result in thread 0's slot.value alone; ends without a barrier.
template <class T, class Op>
__device__ void block_reduce(TeamSlot<T>& slot, T v, Op op) {
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) v = op(v, shuffle_xor(v, mask));
  if (threadIdx.x % 32 == 0) slot.warps[threadIdx.x / 32] = v;
  __syncthreads();
  if (threadIdx.x != 0) return;
  T all = slot.warps[0];
  for (int w = 1; w < kTeamWarps; ++w) all = op(all, slot.warps[w]);
  slot.value = all;
}

// Over all elements of the row, given to every thread; `op` is associative up to rounding and
// commutative, and the order is fixed. A barrier of the whole team.
template <class T, class Op>
__device__ T team_reduce(const Team& team, TeamSlot<T>& slot, T v, Op op) {
  block_reduce(slot, v, op);
  team.sync();
  T all = *team.peer(&slot.value, 0);
  for (int r = 1; r < team.size; ++r) all = op(all, *team.peer(&slot.value, r));
  return all;
}

// Host side.

// Slices up to here stay in shared memory; beside them kernels use at most 24 KiB.
inline int most_staged_bytes(int capability) {
  if (capability >= 90 && capability < 120) return 200 << 10;
  return capability == 80 ? 136 << 10 : 72 << 10;
}

// `clusters`: the device has them and the kernel's code was made for them.
inline TeamRows team_rows(const TensorView& x, const TensorView* y, bool clusters,
                          int staged_bytes) {
  TeamRows a = {};
  a.x = x.as<const float>();
  a.x_stride = row_elements(x);
  a.vector = is_vector_aligned(x);
  if (y) {
    a.y = y->as<float>();
    a.y_stride = row_elements(*y);
    a.vector = a.vector && is_vector_aligned(*y);
  }
  a.n = static_cast<int>(x.columns());
  a.blocks = clusters && a.n > 8192 ? kMostTeamBlocks : 1;
  a.slice = static_cast<int>(ceil_div(ceil_div(a.n, a.blocks), 4) * 4);
  a.staged = a.slice * 4 <= staged_bytes;
  return a;
}

inline std::string team_supports(const KernelDesc& desc) {
  const int64_t n = desc.inputs[0].shape.size() == 2 ? desc.inputs[0].shape[1] : 0;
  return n < 1 || n > (1 << 24) ? "rows of " + std::to_string(n) : "";
}

// kernel(args), a team for each of `rows` rows. Args begins with `TeamRows rows`.
template <class Args>
void launch_teams(const char* name, ExecContext& context, void (*kernel)(Args), int64_t rows,
                  const Args& args) {
  if (rows == 0) return;
  CHECK_LE(rows * args.rows.blocks, int64_t{INT_MAX});
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(static_cast<unsigned>(rows * args.rows.blocks));
  config.blockDim = dim3(kTeamThreads);
  config.dynamicSmemBytes = args.rows.staged ? static_cast<size_t>(args.rows.slice) * 4 : 0;
  config.stream = cuda_stream(context.stream);
  cudaLaunchAttribute cluster = {};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = static_cast<unsigned>(args.rows.blocks);
  cluster.val.clusterDim.y = cluster.val.clusterDim.z = 1;
  if (args.rows.blocks > 1) {
    config.attrs = &cluster;
    config.numAttrs = 1;
  }
  cuda_check(cudaLaunchKernelEx(&config, kernel, args), name);
}

// An instance of such a kernel: fill(launch args) gives everything of Args but its rows. kOutput:
// the first output is a row of floats too.
template <class Args, void (*kKernel)(Args), Args (*kFill)(const LaunchArgs&), bool kOutput>
std::unique_ptr<KernelInstance> team_instance(const KernelDesc& desc, std::string_view) {
  const char* name = Args::kName;
  const int staged_bytes = most_staged_bytes(desc.capability);
  cuda_check(
      cudaFuncSetAttribute(kKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, staged_bytes),
      name);
  // Code for an older device, carried along as PTX, knows no clusters wherever it runs.
  cudaFuncAttributes made = {};
  cuda_check(cudaFuncGetAttributes(&made, kKernel), name);
  const bool clusters = desc.capability >= 90 && made.ptxVersion >= 90;
  return make_instance([=](const LaunchArgs& args, ExecContext& context) {
    Args a = kFill(args);
    a.rows =
        team_rows(args.inputs[0], kOutput ? &args.outputs[0] : nullptr, clusters, staged_bytes);
    launch_teams(name, context, kKernel, args.inputs[0].rows(), a);
  });
}

}  // namespace ingot::cuda
