#include "kernels/cuda/arch/rope.cuh"
// rope.cuh comes first: it prepares fmt.

#include <algorithm>

namespace ingot::cuda {
namespace kernel_rope_kv_append {

template <class T>
struct AppendArgs {
  const T *q, *k, *v;
  T* q_out;
  int64_t q_stride, k_stride, v_stride, q_out_stride;
  const int *positions, *rows;
  int q_heads;
  KvPages keys, values;
};

// A warp a head: the query heads of a token, then its key heads, then its value heads.
template <class T>
__device__ void append_head(const RopeParams& rope, const RopeTurns& turns, const AppendArgs<T>& a,
                            int item, int64_t token, int position) {
  const int64_t dim = rope.head_dim;
  if (item < a.q_heads) {
    rope_head_to(rope, turns, a.q + token * a.q_stride + item * dim,
                 a.q_out + token * a.q_out_stride + item * dim);
    return;
  }
  const int head = (item - a.q_heads) % a.keys.heads;
  const bool is_key = item - a.q_heads < a.keys.heads;
  const int64_t slot = a.keys.slot(a.rows[token], position, head);
  if (slot < 0) return;
  if (is_key) {  // rounded to the keys' type first, then to the cache's
    rope_head(rope, turns, a.k + token * a.k_stride + head * dim, [&](int i, float value) {
      store_any(a.keys.data, a.keys.type, slot + i, to_float(from_float<T>(value)));
    });
  } else {
    const T* v = a.v + token * a.v_stride + head * dim;
    copy_to_cache(a.values, slot, [&](int i) { return to_float(v[i]); });
  }
}

template <class T>
__global__ void __launch_bounds__(32 * kRopeWarps) append(RopeParams rope, AppendArgs<T> a) {
  __shared__ RopeTurns turns;
  wait_for_earlier();
  let_next_start();
  const int64_t token = blockIdx.x;
  const int position = a.positions[token];
  fill_turns(rope, token, position, turns);
  const int items = a.q_heads + 2 * a.keys.heads;
  for (int item = rope_item(); item < items; item += rope_items()) {
    append_head(rope, turns, a, item, token, position);
  }
}

constexpr int kMostWordThreads = 512;

// The same where heads are rotated whole, by halves, and everything is of T in 16-byte words: a
// thread turns eight pairs. One block a token, so that its angles are computed once.
template <class T>
__global__ void __launch_bounds__(kMostWordThreads) append_words(RopeParams rope, AppendArgs<T> a) {
  __shared__ RopeTurns turns;
  wait_for_earlier();
  let_next_start();
  const int64_t token = blockIdx.x;
  const int position = a.positions[token];
  fill_turns(rope, token, position, turns);
  const int64_t dim = rope.head_dim;
  const int words = rope.half / 8;  // a half head
  const int rotated = a.q_heads + a.keys.heads;
  for (int u = threadIdx.x; u < (rotated + a.keys.heads) * words; u += blockDim.x) {
    const int item = u / words;
    const int at = 8 * (u % words);
    const bool is_query = item < a.q_heads;
    const T* from = a.q + token * a.q_stride + item * dim;
    T* to = a.q_out + token * a.q_out_stride + item * dim;
    if (!is_query) {
      const int head = (item - a.q_heads) % a.keys.heads;
      const bool is_key = item < rotated;
      const int64_t slot = a.keys.slot(a.rows[token], position, head);
      if (slot < 0) continue;
      from = (is_key ? a.k + token * a.k_stride : a.v + token * a.v_stride) + head * dim;
      to = reinterpret_cast<T*>(is_key ? a.keys.data : a.values.data) + slot;
    }
    float x[8], y[8];
    load8(from + at, x);
    load8(from + at + rope.half, y);
    if (item < rotated) {
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const float c = turns.cosine[at + i], s = turns.sine[at + i];
        const float turned = __fsub_rn(__fmul_rn(x[i], c), __fmul_rn(y[i], s));
        y[i] = __fadd_rn(__fmul_rn(y[i], c), __fmul_rn(x[i], s));
        x[i] = turned;
      }
    }
    store8(to + at, x);
    store8(to + at + rope.half, y);
  }
}

template <class T>
void launch_append(const LaunchArgs& args, ExecContext& context, const RopeParams& rope,
                   const AppendArgs<T>& a) {
  const std::span<const TensorView> in = args.inputs;
  bool words = !rope.interleaved && rope.half % 8 == 0 && 2 * rope.half == rope.head_dim &&
               is_vector_aligned(args.outputs[0]);
  for (size_t i : {0, 1, 2}) words = words && is_vector_aligned(in[i]);
  for (size_t i : {1, 2}) {
    words = words && args.outputs[i].type == in[0].type &&
            reinterpret_cast<uintptr_t>(args.outputs[i].data) % 16 == 0;
  }
  const int heads = a.q_heads + 2 * a.keys.heads;
  if (words) {
    const int64_t units = int64_t{heads} * rope.half / 8;
    const auto threads =
        static_cast<int>(std::min<int64_t>(kMostWordThreads, ceil_div(units, int64_t{32}) * 32));
    return launch_early("rope_kv_append", context, append_words<T>, {in[0].rows(), 1, threads}, 0,
                        rope, a);
  }
  launch_early("rope_kv_append", context, append<T>, rope_grid(in[0].rows(), heads), 0, rope, a);
}

std::string supports(const KernelDesc& desc) {
  for (size_t i : {0, 1, 2}) {
    if (!is_activation(desc.inputs[i].type)) return "input is " + desc.inputs[i].type.name();
    if (!(desc.inputs[i].type == desc.inputs[0].type)) return "q, k and v differ in type";
  }
  if (!(desc.inputs[3].shape == desc.inputs[4].shape)) return "the caches differ in shape";
  if (const std::string no = rope_supports(desc.inputs[8]); !no.empty()) return no;
  return kv_supports(desc, 3, 4, 7);
}

std::unique_ptr<KernelInstance> prepare(const KernelDesc& desc, std::string_view) {
  return make_instance([attrs = desc.attrs](const LaunchArgs& args, ExecContext& context) {
    const std::span<const TensorView> in = args.inputs;
    const RopeParams rope = rope_params(attrs, in[8]);
    with_float(in[0].type, [&](auto tag) {
      using T = decltype(tag);
      AppendArgs<T> a = {};
      a.q = in[0].as<T>(), a.k = in[1].as<T>(), a.v = in[2].as<T>();
      a.q_out = args.outputs[0].as<T>();
      a.q_stride = row_elements(in[0]);
      a.k_stride = row_elements(in[1]);
      a.v_stride = row_elements(in[2]);
      a.q_out_stride = row_elements(args.outputs[0]);
      a.positions = in[5].as<int>();
      a.rows = in[6].as<int>();
      a.q_heads = static_cast<int>(in[0].columns() / rope.head_dim);
      a.keys = kv_pages(args.outputs[1], in[7]);
      a.values = kv_pages(args.outputs[2], in[7]);
      launch_append(args, context, rope, a);
    });
  });
}

}  // namespace kernel_rope_kv_append

// Rotary embedding of q and k with the KV append.
const KernelDef& rope_kv_append_kernel() {
  using namespace kernel_rope_kv_append;
  static const KernelDef kernel = {.name = "rope_kv_append",
                                   .op = "rope_kv_append",
                                   .device = "cuda",
                                   .version = 2,
                                   .invariant = true,
                                   .priority = 20,
                                   .supports = supports,
                                   .prepare = prepare};
  return kernel;
}

}  // namespace ingot::cuda
