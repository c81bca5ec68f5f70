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

// For stream_linear.cuh: a residual that only its own kernels look for. A branch in those without
// one takes 156 registers of a thread in place of 109 (16 rows, sm_90a).
struct ResidualUnit : PlainUnit {
  static ResidualUnit of(const Attrs&) { return {}; }
};

struct GatedUnit {
  static constexpr int kParts = 2;
  GatedActivation activation;
  static GatedUnit of(const Attrs& attrs) { return {gated_activation(attrs)}; }
  __device__ float value(const float (&sum)[2]) const { return gated(activation, sum[0], sum[1]); }
};

}  // namespace ingot::cuda
