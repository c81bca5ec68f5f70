// Matrix-vector products for up to eight rows of x: a warp (or several that share K) makes kOut
// sums, of as many rows of the weight, for all rows of x. Every output is one chain of fused
// multiply-adds per lane, then a fixed tree over lanes and warps: it does not depend on the number
// of rows.
#pragma once

#include "kernels/cuda/arch/block_decode.cuh"
#include "kernels/cuda/arch/linear_unit.cuh"

namespace ingot::cuda {

constexpr int kGemvWarps = 8;  // of a block, unless a tactic says otherwise
constexpr int kMostGemvWarps = 16;
constexpr int64_t kMostGemvRows = 8;

// When a kernel lets the next one start: at once as most next ones wait at their start, after its
// own wait where it norms x, at its end before one that would take memory for weights meanwhile.
enum class NextStart { kAtOnce, kAfterWait, kAtEnd };

struct GemvArgs {
  AnyFloats x;
  int64_t x_stride;  // elements
  AnyFloats bias;
  AnyFloats residual;       // of y's shape; linear_add's, else none
  int64_t residual_stride;  // elements
  void* y;
  DType y_type;
  int64_t y_stride;  // elements
  int m;
  int64_t n, k;  // n: output columns
  int warps;     // of a block, a power of two up to kMostGemvWarps
  int split;     // of them that share a group of columns: 1 to `warps`, a power of two
  NextStart next_start;
  bool x_vector;
  Pieces weight;
};

struct GemvPlace {
  int64_t first;  // output column
  int part;       // this warp's share of K is part, part + split, ...
  int slot;       // group of columns in the block
};
__device__ inline GemvPlace gemv_place(const GemvArgs& a, int out) {
  const int warp = threadIdx.x / 32;
  const int groups = a.warps / a.split;
  const int slot = warp / a.split;
  return {(static_cast<int64_t>(blockIdx.x) * groups + slot) * out, warp % a.split, slot};
}

// The weight rows of a group: the parts of column place.first, then those of the next. Columns past
// n read the last one, and gemv_finish does not store them.
template <class Unit = PlainUnit, class W, int kOut>
__device__ void gemv_weight_rows(const GemvArgs& a, const GemvPlace& place, const W* (&w)[kOut]) {
#pragma unroll
  for (int r = 0; r < kOut; ++r) {
    const int64_t at = place.first + r / Unit::kParts;
    const int64_t n = (at < a.n ? at : a.n - 1) + r % Unit::kParts * a.n;
    w[r] = reinterpret_cast<const W*>(piece_row(a.weight, n));
  }
}

// Adds the lanes and the warps of a group up, the bias and the residual to them, and writes y.
template <class Unit = PlainUnit, int kRows, int kOut>
__device__ void gemv_finish(const GemvArgs& a, const GemvPlace& place, float (&acc)[kRows][kOut],
                            Unit unit = {}) {
  __shared__ float partial[kMostGemvWarps][kRows * kOut];
  const int lane = threadIdx.x % 32;
  constexpr int kParts = Unit::kParts;
  static_assert(kOut % kParts == 0);
  // What this lane writes, if it is one that does.
  const int row = lane / kOut;
  const int64_t n = place.first + lane % kOut / kParts;
  const bool real = lane < kRows * kOut && row < a.m && n < a.n;
  float added = 0;  // its loads are under way while sums are made
  if (real && a.bias.data) added = load_any(a.bias, n + lane % kParts * a.n);
  if (kParts == 1 && real && a.residual.data) {
    added += load_any(a.residual, row * a.residual_stride + n);
  }
  float mine = 0;
#pragma unroll
  for (int m = 0; m < kRows; ++m) {
#pragma unroll
    for (int r = 0; r < kOut; ++r) {
      const float sum = warp_sum(acc[m][r]);
      if (lane == m * kOut + r) mine = sum;
    }
  }
  static_assert(kRows * kOut <= 32);
  if (a.split > 1) {
    if (lane < kRows * kOut) partial[threadIdx.x / 32][lane] = mine;
    __syncthreads();
    if (place.part != 0) return;
    if (lane < kRows * kOut) {
      mine = 0;
      for (int s = 0; s < a.split; ++s) mine += partial[place.slot * a.split + s][lane];
    }
  }
  if (kParts == 1 && !real) return;
  float sum[kParts] = {mine + added};
#pragma unroll
  for (int p = 1; p < kParts; ++p) sum[p] = __shfl_down_sync(~0u, sum[0], p);
  if (real && lane % kParts == 0) store_any(a.y, a.y_type, row * a.y_stride + n, unit.value(sum));
}

// Of operators whose operands begin as linear's: x, weight, bias.
inline GemvArgs gemv_args(const LaunchArgs& args, int split, int warps = kGemvWarps) {
  const TensorView& x = args.inputs[0];
  const TensorView& y = args.outputs[0];
  GemvArgs a = {};
  a.x = any_floats(x);
  a.x_stride = row_elements(x);
  a.bias = optional_floats(args.inputs, 2);
  a.y = y.data;
  a.y_type = y.type.dtype;
  a.y_stride = row_elements(y);
  a.m = static_cast<int>(x.rows());
  a.n = y.columns();
  a.k = x.columns();
  a.warps = warps;
  a.split = split;
  a.x_vector = is_vector_aligned(x);
  a.weight = pieces_of(args, 1);
  return a;
}
inline bool adds_residual(const KernelDesc& desc) { return desc.op == "linear_add"; }
// As linear_add's attribute asks.
inline NextStart next_start(const KernelDesc& desc) {
  return attr_or<bool>(desc.attrs, "hold_next", false) ? NextStart::kAtEnd : NextStart::kAtOnce;
}
// Its input 3.
inline void set_residual(GemvArgs& a, const LaunchArgs& args) {
  a.residual = any_floats(args.inputs[3]);
  a.residual_stride = row_elements(args.inputs[3]);
}
// Of a kernel that makes `out` output columns a group.
inline Grid gemv_grid(const GemvArgs& a, int out) {
  return {ceil_div(a.n, static_cast<int64_t>(a.warps / a.split) * out), 1, 32 * a.warps};
}
// An instance that calls run(gemv_args, args, context) where there are rows.
template <class Run>
std::unique_ptr<KernelInstance> gemv_instance(const KernelDesc& desc, int split, int warps, Run run,
                                              NextStart next) {
  return make_instance(
      [=, residual = adds_residual(desc)](const LaunchArgs& args, ExecContext& context) {
        GemvArgs a = gemv_args(args, split, warps);
        a.next_start = next;
        if (residual) set_residual(a, args);
        if (a.m == 0) return;
        CHECK_LE(a.m, kMostGemvRows);
        run(a, args, context);
      });
}

// What all linear kernels ask of x, the bias, the residual and y.
inline std::string linear_supports(const KernelDesc& desc) {
  if (!is_activation(desc.inputs[0].type)) return "input is " + desc.inputs[0].type.name();
  if (!is_activation(desc.outputs[0].type)) return "output is " + desc.outputs[0].type.name();
  if (desc.inputs.size() > 2 && desc.inputs[2].present && !is_activation(desc.inputs[2].type)) {
    return "bias is " + desc.inputs[2].type.name();
  }
  if (adds_residual(desc) && !is_activation(desc.inputs[3].type)) {
    return "residual is " + desc.inputs[3].type.name();
  }
  if (desc.inputs[0].shape.back() == 0) return "K is 0";
  return too_many_pieces(desc.inputs[1]);
}
inline std::string gemv_supports(const KernelDesc& desc) {
  const int64_t rows = rows_of(desc.inputs[0].shape);
  if (rows > kMostGemvRows) return std::to_string(rows) + " rows; at most 8";
  return linear_supports(desc);
}

}  // namespace ingot::cuda
