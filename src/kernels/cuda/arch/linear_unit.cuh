// What a linear layer makes of the sums of its weight's rows: kParts rows make one output column,
// of a.n. row() says which, store() takes their sums. `value` is what kernels whose rows stand part
// by part (row n + part * a.n) store themselves.
#pragma once

#include "kernels/cuda/arch/gated.cuh"

namespace ingot::cuda {

struct PlainUnit {
  static constexpr int kParts = 1;
  static PlainUnit of(const Attrs&) { return {}; }
  __device__ int64_t row(int64_t column, int, int64_t) const { return column; }
  __device__ float value(const float (&sum)[1]) const { return sum[0]; }
  template <class Args>
  __device__ void store(const Args& a, int m, int64_t column, const float (&sum)[1]) const {
    store_any(a.y, a.y_type, m * a.y_stride + column, sum[0]);
  }
};

struct GatedUnit {
  static constexpr int kParts = 2;
  GatedActivation activation;
  static GatedUnit of(const Attrs& attrs) { return {gated_activation(attrs)}; }
  __device__ int64_t row(int64_t column, int part, int64_t n) const { return column + part * n; }
  __device__ float value(const float (&sum)[2]) const { return gated(activation, sum[0], sum[1]); }
  template <class Args>
  __device__ void store(const Args& a, int m, int64_t column, const float (&sum)[2]) const {
    store_any(a.y, a.y_type, m * a.y_stride + column, value(sum));
  }
};

}  // namespace ingot::cuda
