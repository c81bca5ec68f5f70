// Rotary embedding of one head by one warp.
#pragma once

#include "kernels/cuda/arch/kv_pages.cuh"

namespace ingot::cuda {

struct RopeParams {
  int head_dim;
  int half;  // rotated pairs
  bool interleaved;
  float scale;
  const float* inv_freq;
};
inline RopeParams rope_params(const Attrs& attrs, const TensorView& inv_freq) {
  RopeParams out = {};
  out.head_dim = static_cast<int>(attr_or<int64_t>(attrs, "head_dim", 0));
  out.half = static_cast<int>(inv_freq.elements());
  out.interleaved = attr_or<bool>(attrs, "interleaved", false);
  out.scale = static_cast<float>(attr_or<double>(attrs, "scale", 1.0));
  out.inv_freq = inv_freq.as<float>();
  return out;
}

// Calls put(column, value) for every column of the head at x; a pair is read before either of its
// columns is put. Products and sums are rounded one by one, as the operator's reference does.
template <class T, class Put>
__device__ void rope_head(const RopeParams& rope, const T* x, int position, Put&& put) {
  for (int i = threadIdx.x % 32; i < rope.half; i += 32) {
    const int first = rope.interleaved ? 2 * i : i;
    const int second = rope.interleaved ? 2 * i + 1 : i + rope.half;
    const float angle = __fmul_rn(static_cast<float>(position), rope.inv_freq[i]);
    float s, c;
    sincosf(angle, &s, &c);
    c = __fmul_rn(c, rope.scale);
    s = __fmul_rn(s, rope.scale);
    const float a = to_float(x[first]);
    const float b = to_float(x[second]);
    put(first, __fsub_rn(__fmul_rn(a, c), __fmul_rn(b, s)));
    put(second, __fadd_rn(__fmul_rn(b, c), __fmul_rn(a, s)));
  }
  for (int i = 2 * rope.half + threadIdx.x % 32; i < rope.head_dim; i += 32) {
    put(i, to_float(x[i]));
  }
}

// The same into a row of T.
template <class T>
__device__ void rope_head_to(const RopeParams& rope, const T* x, int position, T* out) {
  rope_head(rope, x, position, [&](int i, float value) { out[i] = from_float<T>(value); });
}

constexpr int kRopeWarps = 4;  // heads a block, a warp each
inline Grid rope_grid(int64_t tokens, int64_t heads) {
  return {tokens, ceil_div(heads, kRopeWarps), 32 * kRopeWarps};
}
__device__ inline int rope_item() { return blockIdx.y * kRopeWarps + threadIdx.x / 32; }

}  // namespace ingot::cuda
