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
  int64_t inv_freq_stride;  // floats from a token's to the next one's; 0: all have the same
};
inline RopeParams rope_params(const Attrs& attrs, const TensorView& inv_freq) {
  RopeParams out = {};
  out.head_dim = static_cast<int>(attr_or<int64_t>(attrs, "head_dim", 0));
  out.half = static_cast<int>(inv_freq.columns());
  out.interleaved = attr_or<bool>(attrs, "interleaved", false);
  out.scale = static_cast<float>(attr_or<double>(attrs, "scale", 1.0));
  out.inv_freq = inv_freq.as<float>();
  out.inv_freq_stride = inv_freq.shape.size() == 2 ? row_elements(inv_freq) : 0;
  return out;
}

constexpr int kMostRopePairs = 256;

// Cosine and sine of every pair's angle at one position, for all heads of a block's token.
struct RopeTurns {
  float cosine[kMostRopePairs], sine[kMostRopePairs];
};
// By the whole block; ends with a barrier. Products are rounded one by one, as the operator's
// reference does.
__device__ inline void fill_turns(const RopeParams& rope, int64_t token, int position,
                                  RopeTurns& turns) {
  const float* inv_freq = rope.inv_freq + token * rope.inv_freq_stride;
  for (int i = threadIdx.x; i < rope.half; i += blockDim.x) {
    float s, c;
    sincosf(__fmul_rn(static_cast<float>(position), inv_freq[i]), &s, &c);
    turns.cosine[i] = __fmul_rn(c, rope.scale);
    turns.sine[i] = __fmul_rn(s, rope.scale);
  }
  __syncthreads();
}

// One warp calls put(column, value) for every column of the head at x; a pair is read before either
// of its columns is put.
template <class T, class Put>
__device__ void rope_head(const RopeParams& rope, const RopeTurns& turns, const T* x, Put&& put) {
  for (int i = threadIdx.x % 32; i < rope.half; i += 32) {
    const int first = rope.interleaved ? 2 * i : i;
    const int second = rope.interleaved ? 2 * i + 1 : i + rope.half;
    const float c = turns.cosine[i];
    const float s = turns.sine[i];
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
__device__ void rope_head_to(const RopeParams& rope, const RopeTurns& turns, const T* x, T* out) {
  rope_head(rope, turns, x, [&](int i, float value) { out[i] = from_float<T>(value); });
}

constexpr int kRopeWarps = 8;
constexpr int64_t kRopeBlocks = 1024;  // enough to fill a device: more share the angles' cost less
// Blocks of a token share its heads: item rope_item(), then every rope_items() further.
inline Grid rope_grid(int64_t tokens, int64_t heads) {
  const int64_t most = ceil_div(heads, kRopeWarps);
  const int64_t wanted = tokens == 0 ? 1 : ceil_div(kRopeBlocks, tokens);
  return {tokens, wanted < most ? wanted : most, 32 * kRopeWarps};
}
__device__ inline int rope_item() { return blockIdx.y * kRopeWarps + threadIdx.x / 32; }
__device__ inline int rope_items() { return gridDim.y * kRopeWarps; }

inline std::string rope_supports(const OperandDesc& inv_freq) {
  if (inv_freq.type != DType::kFloat32) return "frequencies are not float32";
  return inv_freq.shape.back() > kMostRopePairs ? "more than 256 pairs" : "";
}

}  // namespace ingot::cuda
