// RMS norms: one block a row, or a group of its columns, which is in registers.
#pragma once

#include "kernels/cuda/arch/numeric.cuh"

namespace ingot::cuda {

constexpr int64_t kMostNormColumns = 4 * 1024 * 8;

struct NormArgs {
  const void* x;
  const void* residual;  // null: plain norm of x
  void* sum;
  void* y;
  AnyFloats weight;
  int64_t x_stride, residual_stride, sum_stride, y_stride;  // elements
  int64_t n;  // columns of a norm: block (r, g) does columns [g * n, (g + 1) * n) of row r
  float epsilon;
  float weight_offset;
  bool vector;        // every row, group and the weight in 16-byte words
  bool weight_first;  // no kernel writes it: it is read while earlier ones run
};

template <int kChunks>
__device__ inline void load_norm_weight(const NormArgs& a, float (&weight)[kChunks][8]) {
#pragma unroll
  for (int i = 0; i < kChunks; ++i) {
    const int64_t at = 8 * (threadIdx.x + static_cast<int64_t>(i) * blockDim.x);
    load8_any(a.weight, at, a.n - at, a.vector, weight[i]);
#pragma unroll
    for (int c = 0; c < 8; ++c) weight[i][c] += a.weight_offset;
  }
}

// Thread t holds elements 8 (t + i * threads) .. + 7 for i < kChunks, so that the order of the sum
// depends on n alone. The norm is of the sum as it is stored, rounded to T.
template <class T, int kChunks>
__global__ void norm_rows(NormArgs a) {
  float weight[kChunks][8];
  if (a.weight_first) load_norm_weight(a, weight);
  wait_for_earlier();
  // Not before: the layer that follows would fill the device while the one before still runs.
  let_next_start();
  if (!a.weight_first) load_norm_weight(a, weight);
  __shared__ float scratch[32];
  const int64_t row = blockIdx.x;
  const int64_t first = blockIdx.y * a.n;
  const T* x = static_cast<const T*>(a.x) + row * a.x_stride + first;
  float v[kChunks][8];
  float squares = 0;
#pragma unroll
  for (int i = 0; i < kChunks; ++i) {
    const int64_t at = 8 * (threadIdx.x + static_cast<int64_t>(i) * blockDim.x);
    load8(x + at, a.n - at, a.vector, v[i]);
    if (a.residual) {
      const T* residual = static_cast<const T*>(a.residual) + row * a.residual_stride + first;
      float more[8];
      load8(residual + at, a.n - at, a.vector, more);
#pragma unroll
      for (int c = 0; c < 8; ++c) v[i][c] = to_float(from_float<T>(v[i][c] + more[c]));
      if (at < a.n) {
        store8(static_cast<T*>(a.sum) + row * a.sum_stride + first + at, a.n - at, a.vector, v[i]);
      }
    }
#pragma unroll
    for (int c = 0; c < 8; ++c) squares = fmaf(v[i][c], v[i][c], squares);
  }
  const float mean = block_sum(squares, scratch) / static_cast<float>(a.n);
  const float scale = 1.0f / sqrtf(mean + a.epsilon);
#pragma unroll
  for (int i = 0; i < kChunks; ++i) {
    const int64_t at = 8 * (threadIdx.x + static_cast<int64_t>(i) * blockDim.x);
    if (at >= a.n) break;
#pragma unroll
    for (int c = 0; c < 8; ++c) v[i][c] *= scale * weight[i][c];
    store8(static_cast<T*>(a.y) + row * a.y_stride + first + at, a.n - at, a.vector, v[i]);
  }
}

// rms_norm (x, weight) -> y and add_rms_norm (x, residual, weight) -> (sum, y).
inline std::unique_ptr<KernelInstance> norm_prepare(const KernelDesc& desc, std::string_view) {
  const auto epsilon = static_cast<float>(attr_or<double>(desc.attrs, "epsilon", 1e-5));
  const auto offset = static_cast<float>(attr_or<double>(desc.attrs, "weight_offset", 0.0));
  const auto group = attr_or<int64_t>(desc.attrs, "group", 0);
  const bool add = desc.op == "add_rms_norm";
  const bool constant = desc.inputs[add ? 2 : 1].constant;
  return make_instance([=](const LaunchArgs& args, ExecContext& context) {
    const TensorView& x = args.inputs[0];
    const TensorView& weight = args.inputs[add ? 2 : 1];
    const TensorView& y = args.outputs[add ? 1 : 0];
    NormArgs a = {};
    a.x = x.data;
    a.y = y.data;
    a.weight = any_floats(weight);
    a.x_stride = row_elements(x);
    a.y_stride = row_elements(y);
    a.n = group > 0 ? group : x.columns();
    a.epsilon = epsilon;
    a.weight_offset = offset;
    a.weight_first = constant;
    a.vector = is_vector_aligned(x) && is_vector_aligned(y) &&
               reinterpret_cast<uintptr_t>(weight.data) % 16 == 0 && (group == 0 || group % 8 == 0);
    if (add) {
      const TensorView& residual = args.inputs[1];
      const TensorView& sum = args.outputs[0];
      a.residual = residual.data;
      a.sum = sum.data;
      a.residual_stride = row_elements(residual);
      a.sum_stride = row_elements(sum);
      a.vector = a.vector && is_vector_aligned(residual) && is_vector_aligned(sum);
    }
    const int64_t parts = ceil_div(a.n, 8);
    const int chunks = parts <= 1024 ? 1 : parts <= 2048 ? 2 : 4;
    const auto threads = static_cast<int>(ceil_div(ceil_div(parts, chunks), 32) * 32);
    with_float(x.type, [&](auto tag) {
      using T = decltype(tag);
      const auto kernel = chunks == 1   ? norm_rows<T, 1>
                          : chunks == 2 ? norm_rows<T, 2>
                                        : norm_rows<T, 4>;
      launch_early(add ? "add_rms_norm" : "rms_norm", context, kernel,
                   {x.rows(), a.n > 0 ? x.columns() / a.n : 0, threads}, 0, a);
    });
  });
}

inline std::string norm_supports(const KernelDesc& desc) {
  const ElementType& weight = desc.inputs[desc.op == "add_rms_norm" ? 2 : 1].type;
  if (!is_activation(desc.inputs[0].type)) return "input is " + desc.inputs[0].type.name();
  if (!is_activation(weight)) return "weight is " + weight.name();
  const auto group = attr_or<int64_t>(desc.attrs, "group", 0);
  const int64_t columns = desc.inputs[0].shape.back();
  if ((group > 0 ? group : columns) > kMostNormColumns) return "norms of over 32768 columns";
  if (group > 0 && columns / group > 65535) return "over 65535 groups";
  return "";
}

}  // namespace ingot::cuda
