// What the paged attention kernels share: arguments, the keys a token sees.
#pragma once

#include <algorithm>
#include <climits>

#include "kernels/cuda/arch/async_copy.cuh"
#include "kernels/cuda/arch/early_start.cuh"
#include "kernels/cuda/arch/kv_pages.cuh"

namespace ingot::cuda {

// Batch rows that a kernel works on: those with [least, most] tokens in this step. It leaves the
// others' output alone.
struct FreshBounds {
  int least = 0;
  int most = INT_MAX;
};

struct AttentionArgs {
  AnyFloats q;
  void* out;
  DType out_type;
  int64_t q_stride, out_stride;  // elements
  KvPages keys, values;
  const int *positions, *rows, *query_offsets, *context_lengths;
  const float* slopes;  // [heads]; null: none
  int tokens, heads, group;
  int window;
  float scale, softcap;
  bool causal;
  FreshBounds fresh;
};

// A batch row's tokens [first, first + count) in this step; none where the row is out of bounds.
struct FreshTokens {
  int first, count;
};
__device__ inline FreshTokens fresh_tokens(const AttentionArgs& a, int row) {
  const int first = a.query_offsets[row];
  const int count = max(min(a.query_offsets[row + 1], a.tokens) - first, 0);
  return {first, count < a.fresh.least || count > a.fresh.most ? 0 : count};
}

// What block `place` of a kernel that works token by token works on; token -1: nothing. `row` is
// certain where rows are bounded, else a guess: rows of decoding tokens are usually in order.
struct TokenPlace {
  int token, row;
};
__device__ inline TokenPlace token_place(const AttentionArgs& a, int place) {
  if (a.fresh.most == INT_MAX) return {place, place};
  // All rows' first tokens come first: with few tokens a row, the blocks in use start together.
  const int row = place % a.keys.batch;
  const int index = place / a.keys.batch;
  const FreshTokens fresh = fresh_tokens(a, row);
  return {index < fresh.count ? fresh.first + index : -1, row};
}
// How many places: enough for every token of every row in bounds, whatever the lengths are.
inline int64_t token_places(const AttentionArgs& a) {
  if (a.fresh.most == INT_MAX) return a.tokens;
  return static_cast<int64_t>(a.fresh.most) * a.keys.batch;
}

// Keys [begin, end) of batch row `row`; empty for padding tokens.
struct KeyRange {
  int row, begin, end;
};
__device__ inline KeyRange key_range(const AttentionArgs& a, int token) {
  const int position = a.positions[token];
  const int row = a.rows[token];
  if (row < 0 || row >= a.keys.batch || position < 0) return {row, 0, 0};
  const int end = a.causal ? position + 1 : a.context_lengths[row];
  const int begin = a.window > 0 ? max(0, position - a.window + 1) : 0;
  return {row, begin, min(end, a.keys.blocks * a.keys.page_tokens)};
}

__device__ inline float attention_score(const AttentionArgs& a, float dot) {
  dot = __fmul_rn(dot, a.scale);
  return a.softcap > 0 ? __fmul_rn(a.softcap, tanhf(dot / a.softcap)) : dot;
}

// A score with the key's linear bias; slope 0 leaves its bits as they are. Rows with slopes are
// causal: the key before `end` is at the row's own position. Where tables cut `end` off, all
// biases of the row are off by the same, which a softmax does not show.
__device__ inline float head_slope(const AttentionArgs& a, int head) {
  return a.slopes ? a.slopes[head] : 0.0f;
}
__device__ inline float biased_score(float score, float slope, int key, int end) {
  return fmaf(slope, static_cast<float>(key - (end - 1)), score);
}

inline dim3 attention_dims(int64_t x, int64_t y = 1, int64_t z = 1) {
  CHECK_LE(x, int64_t{INT_MAX});
  CHECK_LE(std::max(y, z), 65535);
  return dim3(static_cast<unsigned>(x), static_cast<unsigned>(y), static_cast<unsigned>(z));
}
inline AttentionArgs attention_args(const LaunchArgs& args, const Attrs& attrs,
                                    const FreshBounds& fresh = {}) {
  const std::span<const TensorView> in = args.inputs;
  AttentionArgs a = {};
  a.q = any_floats(in[0]);
  a.out = args.outputs[0].data;
  a.out_type = args.outputs[0].type.dtype;
  a.q_stride = row_elements(in[0]);
  a.out_stride = row_elements(args.outputs[0]);
  a.keys = kv_pages(in[1], in[7]);
  a.values = kv_pages(in[2], in[7]);
  a.positions = in[3].as<int>();
  a.rows = in[4].as<int>();
  a.query_offsets = in[5].as<int>();
  a.context_lengths = in[6].as<int>();
  a.tokens = static_cast<int>(in[0].rows());
  a.heads = static_cast<int>(in[0].columns() / a.keys.dim);
  a.group = a.heads / a.keys.heads;
  a.window = static_cast<int>(attr_or<int64_t>(attrs, "window", 0));
  a.scale = static_cast<float>(attr_or<double>(attrs, "scale", 1.0));
  a.softcap = static_cast<float>(attr_or<double>(attrs, "softcap", 0.0));
  a.causal = attr_or<bool>(attrs, "causal", true);
  a.slopes = in.size() > 8 && in[8].present() ? in[8].as<float>() : nullptr;
  a.fresh = fresh;
  return a;
}

// What all of them ask. `slopes`: the kernel adds linear biases; others refuse them.
inline std::string attention_supports(const KernelDesc& desc, bool slopes = false) {
  const OperandDesc& k = desc.inputs[1];
  const OperandDesc& v = desc.inputs[2];
  if (!is_activation(desc.inputs[0].type)) return "input is " + desc.inputs[0].type.name();
  if (!(k.type == v.type) || !(k.shape == v.shape)) return "k and v caches differ";
  if (k.shape[3] % 8 != 0 || k.shape[3] > 256) return "heads of " + std::to_string(k.shape[3]);
  if (k.shape[2] % 32 != 0) return "pages of " + std::to_string(k.shape[2]) + " tokens";
  if (!slopes && desc.inputs.size() > 8 && desc.inputs[8].present) return "linear biases";
  return kv_supports(desc, 1, 2, 7);
}

}  // namespace ingot::cuda
