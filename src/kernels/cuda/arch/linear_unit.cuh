// What a linear layer makes of the sums of its weight's rows. Rows n and n + a.n, kParts of them,
// make output column n of a.n.
#pragma once

#include "kernels/cuda/arch/gated.cuh"

namespace ingot::cuda {

struct PlainUnit {
  static constexpr int kParts = 1;
  static PlainUnit of(const Attrs&) { return {}; }
  __device__ float value(const float (&sum)[1]) const { return sum[0]; }
};

struct GatedUnit {
  static constexpr int kParts = 2;
  GatedActivation activation;
  static GatedUnit of(const Attrs& attrs) { return {gated_activation(attrs)}; }
  __device__ float value(const float (&sum)[2]) const { return gated(activation, sum[0], sum[1]); }
};

}  // namespace ingot::cuda
