// What the kernels of moe_ffn share: arguments, pairs of a token and one of its experts grouped by
// expert on the device, the sum over a token's experts.
//
// Nothing is planned on the host: grids are sized by shapes alone, and blocks look up what there is
// to do. Pairs are numbered token * k + j. What an expert makes of a token depends on the two
// alone, and a token's experts are added up in the order of j, so the result does not depend on how
// pairs are grouped.
#pragma once

#include "kernels/cuda/arch/early_start.cuh"
#include "kernels/cuda/arch/gated.cuh"
#include "kernels/cuda/arch/numeric.cuh"
#include "ops/shared/moe_inputs.h"

namespace ingot::cuda {

// Matrices of all experts.
struct ExpertStack {
  const std::byte* data;
  int64_t expert_bytes, row_bytes;
  __device__ const std::byte* row(int expert, int64_t n) const {
    return data + expert * expert_bytes + n * row_bytes;
  }
};

struct MoeArgs {
  AnyFloats x;
  int64_t x_stride;  // elements
  bool x_vector;
  void* y;
  int64_t y_stride;
  const int* ids;
  const float* weights;
  ExpertStack gate, up, down;
  GatedActivation activation;
  int tokens, k, pairs, experts, hidden, inner;
  // The workspace.
  std::byte* middle;  // [pairs][inner] of x's type: what goes into down, by place in `order`
  float* parts;       // [pairs][hidden]: what comes out, by pair
  int* offsets;       // [experts + 1]: places of an expert's pairs in `order`
  int* order;         // pairs by expert
};

constexpr int kGroupThreads = 256;

// offsets and order; a block an expert. Each thread looks at a run of pairs, so that an expert's
// pairs stay in order. Pairs with an id outside are in no group.
static __global__ void __launch_bounds__(kGroupThreads) group_pairs(MoeArgs a) {
  __shared__ int before[kGroupThreads / 32 + 1];
  __shared__ int smaller;
  wait_for_earlier();
  let_next_start();
  const int expert = blockIdx.x;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int run = (a.pairs + kGroupThreads - 1) / kGroupThreads;
  const int begin = min(a.pairs, static_cast<int>(threadIdx.x) * run);
  const int end = min(a.pairs, begin + run);
  int less = 0, equal = 0;
  for (int i = begin; i < end; ++i) {
    const int id = a.ids[i];
    less += id >= 0 && id < expert;
    equal += id == expert;
  }
  int up_to = equal;  // of this and the earlier lanes
#pragma unroll
  for (int offset = 1; offset < 32; offset *= 2) {
    const int other = __shfl_up_sync(~0u, up_to, offset);
    if (lane >= offset) up_to += other;
  }
  if (threadIdx.x == 0) smaller = 0;
  if (lane == 31) before[warp + 1] = up_to;
  __syncthreads();
  less = __reduce_add_sync(~0u, less);
  if (lane == 0 && less != 0) atomicAdd(&smaller, less);
  if (threadIdx.x == 0) {
    before[0] = 0;
    for (int w = 0; w < kGroupThreads / 32; ++w) before[w + 1] += before[w];
  }
  __syncthreads();
  int place = smaller + before[warp] + up_to - equal;
  for (int i = begin; i < end; ++i) {
    if (a.ids[i] == expert) a.order[place++] = i;
  }
  if (threadIdx.x != 0) return;
  a.offsets[expert] = smaller;
  if (expert == a.experts - 1) a.offsets[a.experts] = smaller + before[kGroupThreads / 32];
}

// Places [first, first + rows) in `order`, of one expert; expert -1: none.
struct ExpertTile {
  int expert, first, rows;
};

// Tile `index` of all experts' pairs cut into tiles of at most `tile_rows`; every warp finds it for
// itself. Call with all 32 lanes, after group_pairs.
__device__ inline ExpertTile find_expert_tile(const MoeArgs& a, int tile_rows, int index) {
  const int lane = threadIdx.x % 32;
  for (int base = 0; base < a.experts; base += 32) {
    const int expert = base + lane;
    int first = 0, rows = 0;
    if (expert < a.experts) {
      first = a.offsets[expert];
      rows = a.offsets[expert + 1] - first;
    }
    const int tiles = (rows + tile_rows - 1) / tile_rows;
    int up_to = tiles;  // of this and the earlier lanes
#pragma unroll
    for (int offset = 1; offset < 32; offset *= 2) {
      const int other = __shfl_up_sync(~0u, up_to, offset);
      if (lane >= offset) up_to += other;
    }
    const unsigned past = __ballot_sync(~0u, index < up_to);
    if (past != 0) {
      const int owner = __ffs(static_cast<int>(past)) - 1;
      const int skip =
          (index - (__shfl_sync(~0u, up_to, owner) - __shfl_sync(~0u, tiles, owner))) * tile_rows;
      return {base + owner, __shfl_sync(~0u, first, owner) + skip,
              min(tile_rows, __shfl_sync(~0u, rows, owner) - skip)};
    }
    index -= __shfl_sync(~0u, up_to, 31);
  }
  return {-1, 0, 0};
}
// Tiles enough for any way in which the pairs may fall to experts.
inline int64_t most_expert_tiles(const MoeArgs& a, int64_t tile_rows) {
  return ceil_div(a.pairs, tile_rows) + std::min(a.pairs, a.experts);
}

constexpr int kCombineThreads = 128;

// y from `parts`. grid: tokens, groups of 4 * kCombineThreads columns.
static __global__ void __launch_bounds__(kCombineThreads) combine_parts(MoeArgs a) {
  wait_for_earlier();
  let_next_start();
  const int64_t token = blockIdx.x;
  const int column = 4 * static_cast<int>(blockIdx.y * kCombineThreads + threadIdx.x);
  if (column >= a.hidden) return;
  float sum[4] = {};
  for (int j = 0; j < a.k; ++j) {
    const int64_t pair = token * a.k + j;
    const int id = a.ids[pair];
    if (id < 0 || id >= a.experts) continue;
    const float weight = a.weights[pair];
    // hidden is a multiple of 8 for all kernels.
    const float4 part = *reinterpret_cast<const float4*>(a.parts + pair * a.hidden + column);
    sum[0] = fmaf(weight, part.x, sum[0]);
    sum[1] = fmaf(weight, part.y, sum[1]);
    sum[2] = fmaf(weight, part.z, sum[2]);
    sum[3] = fmaf(weight, part.w, sum[3]);
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    store_any(a.y, a.x.type, token * a.y_stride + column + i, sum[i]);
  }
}

inline void launch_grouping(std::string_view name, const MoeArgs& a, ExecContext& context) {
  launch_early(name, context, group_pairs, {a.experts, 1, kGroupThreads}, 0, a);
}
inline void launch_combine(std::string_view name, const MoeArgs& a, ExecContext& context) {
  launch_early(name, context, combine_parts,
               {a.tokens, ceil_div(a.hidden, 4 * kCombineThreads), kCombineThreads}, 0, a);
}

// Host side: sizes of a descriptor, and the workspace.
inline int64_t moe_pairs(const KernelDesc& desc) {
  return element_count(desc.inputs[kMoeIds].shape);
}
struct MoeWorkspace {
  int64_t middle, parts, offsets, order, total;  // bytes up to each, and of all
};
inline MoeWorkspace moe_workspace(int64_t pairs, int64_t hidden, int64_t inner, int64_t experts,
                                  const ElementType& type) {
  const auto padded = [](int64_t bytes) { return ceil_div(bytes, 256) * 256; };
  MoeWorkspace out = {};
  out.parts = padded(type.bytes(pairs * inner));
  out.offsets = out.parts + padded(pairs * hidden * 4);
  out.order = out.offsets + padded((experts + 1) * 4);
  out.total = out.order + padded(pairs * 4);
  return out;
}
inline size_t moe_workspace_bytes(const KernelDesc& desc) {
  const Shape& down = desc.inputs[kMoeDown].shape;
  return static_cast<size_t>(
      moe_workspace(moe_pairs(desc), down[1], down[2], down[0], desc.inputs[kMoeX].type).total);
}

// run(args, context) with a workspace.
template <class Run>
std::unique_ptr<KernelInstance> make_workspace_instance(size_t bytes, Run run) {
  class Instance final : public KernelInstance {
   public:
    Instance(size_t size, Run f) : bytes_(size), run_(std::move(f)) {}
    size_t workspace_bytes() const override { return bytes_; }
    void launch(const LaunchArgs& args, ExecContext& context) override { run_(args, context); }

   private:
    size_t bytes_;
    Run run_;
  };
  return std::make_unique<Instance>(bytes, std::move(run));
}

inline ExpertStack expert_stack(const TensorView& view) {
  return {view.data, view.shape[1] * view.row_bytes(), view.row_bytes()};
}
// Every row of x in 16-byte words: copied to where `parts` are written later, if it has to be.
inline void align_x(MoeArgs* a, ExecContext& context) {
  if (a->x_vector) return;
  const size_t size = dtype_size(a->x.type), row = a->hidden * size;
  cuda_check(cudaMemcpy2DAsync(a->parts, row, a->x.data, a->x_stride * size, row,
                               static_cast<size_t>(a->tokens), cudaMemcpyDeviceToDevice,
                               cuda_stream(context.stream)),
             "moe_ffn");
  a->x.data = a->parts;
  a->x_stride = a->hidden;
  a->x_vector = true;
}

// Of a launch with tokens; x's rows are aligned.
inline MoeArgs moe_args(const LaunchArgs& args, const Attrs& attrs, ExecContext& context) {
  const std::span<const TensorView> in = args.inputs;
  const TensorView& down = in[kMoeDown];
  MoeArgs a = {};
  a.x = any_floats(in[kMoeX]);
  a.x_stride = row_elements(in[kMoeX]);
  a.x_vector = is_vector_aligned(in[kMoeX]);
  a.y = args.outputs[0].data;
  a.y_stride = row_elements(args.outputs[0]);
  a.ids = in[kMoeIds].as<int>();
  a.weights = in[kMoeWeights].as<float>();
  a.tokens = static_cast<int>(in[kMoeX].rows());
  a.k = static_cast<int>(in[kMoeIds].columns());
  a.pairs = a.tokens * a.k;
  a.experts = static_cast<int>(down.shape[0]);
  a.hidden = static_cast<int>(down.shape[1]);
  a.inner = static_cast<int>(down.shape[2]);
  a.gate = expert_stack(in[kMoeGate]);
  a.down = expert_stack(down);
  a.activation = gated_activation(attrs);
  if (in.size() > kMoeUp && in[kMoeUp].present()) {
    a.up = expert_stack(in[kMoeUp]);
  } else {
    a.up = a.gate;  // an expert's up rows follow its gate rows
    a.up.data += a.inner * a.gate.row_bytes;
  }
  const MoeWorkspace w = moe_workspace(a.pairs, a.hidden, a.inner, a.experts, in[kMoeX].type);
  CHECK_LE(w.total, static_cast<int64_t>(context.workspace.size()));
  a.middle = context.workspace.data();
  a.parts = reinterpret_cast<float*>(context.workspace.data() + w.parts);
  a.offsets = reinterpret_cast<int*>(context.workspace.data() + w.offsets);
  a.order = reinterpret_cast<int*>(context.workspace.data() + w.order);
  align_x(&a, context);
  return a;
}

// What all of them ask: sizes in multiples of 8, so that rows are whole 16-byte words, and counts
// that fit in int.
inline std::string moe_supports(const KernelDesc& desc) {
  const OperandDesc& down = desc.inputs[kMoeDown];
  if (!is_activation(desc.inputs[kMoeX].type)) return "input is " + desc.inputs[kMoeX].type.name();
  if (down.shape[1] % 8 != 0 || down.shape[2] % 8 != 0) {
    return "layers of " + std::to_string(down.shape[1]) + " and " + std::to_string(down.shape[2]);
  }
  for (size_t i : {kMoeGate, kMoeDown, kMoeUp}) {
    if (i < desc.inputs.size() && desc.inputs[i].present && desc.inputs[i].segments > 1) {
      return "weight in " + std::to_string(desc.inputs[i].segments) + " pieces";
    }
  }
  const int64_t most = std::max(desc.inputs[kMoeX].shape[0], moe_pairs(desc));
  return most > (INT_MAX >> 4) ? "too many tokens" : "";
}

}  // namespace ingot::cuda
