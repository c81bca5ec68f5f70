// What matrix-vector products (arch/gemv.cuh) multiply with their weights.
#pragma once

#include "kernels/cuda/arch/gemv.cuh"

namespace ingot::cuda {

// x as it is, or its RMS norm, whose scale the sums get at their end. Each warp adds up the squares
// of its own part of K.
struct PlainInput {
  static constexpr bool kNorm = false;
  static PlainInput of(const Attrs&) { return {}; }
  PlainInput bound(const LaunchArgs&) const { return *this; }
};
struct NormInput {
  static constexpr bool kNorm = true;
  float epsilon;
  float weight_offset;
  AnyFloats weight = {};  // of K elements
  bool vector = false;    // the weight lies at a 16-byte boundary

  // Attributes of rms_norm.
  static NormInput of(const Attrs& attrs) {
    return {static_cast<float>(attr_or<double>(attrs, "epsilon", 1e-5)),
            static_cast<float>(attr_or<double>(attrs, "weight_offset", 0.0))};
  }
  // The norm's weight is input 3.
  NormInput bound(const LaunchArgs& args) const {
    const TensorView& view = args.inputs[3];
    return {epsilon, weight_offset, any_floats(view),
            reinterpret_cast<uintptr_t>(view.data) % 16 == 0};
  }
};

inline std::string norm_input_supports(const KernelDesc& desc) {
  const ElementType& weight = desc.inputs[3].type;
  return is_activation(weight) ? "" : "the norm's weight is " + weight.name();
}

// Multiplies the sums of each row by 1 / sqrt(mean(x^2) + epsilon). `squares`: of this lane's part.
template <int kRows, int kOut>
__device__ void scale_by_norm(const GemvArgs& a, const GemvPlace& place, float epsilon,
                              const float (&squares)[kRows], float (&acc)[kRows][kOut]) {
  __shared__ float partial[kMostGemvWarps][kRows];
  float sum[kRows];
#pragma unroll
  for (int m = 0; m < kRows; ++m) sum[m] = warp_sum(squares[m]);
  if (a.split > 1) {
#pragma unroll
    for (int m = 0; m < kRows; ++m) {
      if (threadIdx.x % 32 == m) partial[threadIdx.x / 32][m] = sum[m];
    }
    __syncthreads();
#pragma unroll
    for (int m = 0; m < kRows; ++m) {
      sum[m] = 0;
      for (int s = 0; s < a.split; ++s) sum[m] += partial[place.slot * a.split + s][m];
    }
  }
#pragma unroll
  for (int m = 0; m < kRows; ++m) {
    const float scale = 1.0f / sqrtf(sum[m] / static_cast<float>(a.k) + epsilon);
#pragma unroll
    for (int r = 0; r < kOut; ++r) acc[m][r] *= scale;
  }
}

}  // namespace ingot::cuda
