#include "kernels/cuda/arch/kv_pages.cuh"

namespace ingot::cuda {
namespace kernel_kv_append {

constexpr int kWarps = 4;

struct AppendArgs {
  AnyFloats k, v;
  int64_t k_stride, v_stride;
  const int *positions, *rows;
  KvPages keys, values;
};

// A warp a head: the key heads of a token, then its value heads.
__global__ void __launch_bounds__(32 * kWarps) append(AppendArgs a) {
  wait_for_earlier();
  let_next_start();
  const int item = blockIdx.y * kWarps + threadIdx.x / 32;
  if (item >= a.keys.heads + a.values.heads) return;
  const int64_t token = blockIdx.x;
  const bool is_key = item < a.keys.heads;
  const KvPages& cache = is_key ? a.keys : a.values;
  const int head = is_key ? item : item - a.keys.heads;
  const int64_t slot = cache.slot(a.rows[token], a.positions[token], head);
  if (slot < 0) return;
  const int64_t at =
      token * (is_key ? a.k_stride : a.v_stride) + static_cast<int64_t>(head) * cache.dim;
  const AnyFloats& from = is_key ? a.k : a.v;
  copy_to_cache(cache, slot, [&](int i) { return load_any(from, at + i); });
}

void launch(const LaunchArgs& args, ExecContext& context) {
  const std::span<const TensorView> in = args.inputs;
  AppendArgs a = {};
  a.k = any_floats(in[0]);
  a.v = any_floats(in[1]);
  a.k_stride = row_elements(in[0]);
  a.v_stride = row_elements(in[1]);
  a.positions = in[4].as<int>();
  a.rows = in[5].as<int>();
  a.keys = kv_pages(args.outputs[0], in[6]);
  a.values = kv_pages(args.outputs[1], in[6]);
  const int64_t groups = ceil_div(a.keys.heads + a.values.heads, kWarps);
  launch_early("kv_append", context, append, {in[0].rows(), groups, 32 * kWarps}, 0, a);
}

std::string supports(const KernelDesc& desc) {
  for (size_t i : {0, 1}) {
    if (!is_activation(desc.inputs[i].type)) return "input is " + desc.inputs[i].type.name();
  }
  return kv_supports(desc, 2, 3, 6);
}

}  // namespace kernel_kv_append

// Copies rows into their pages.
const KernelDef& kv_append_kernel() {
  using namespace kernel_kv_append;
  static const KernelDef kernel = {.name = "kv_append",
                                   .op = "kv_append",
                                   .device = "cuda",
                                   .invariant = true,
                                   .priority = 20,
                                   .supports = supports,
                                   .prepare = plain_instance<launch>};
  return kernel;
}

}  // namespace ingot::cuda
