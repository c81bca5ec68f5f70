#include "kernels/cuda/contract/views.h"

namespace ingot::cuda {
namespace kernel_keep_tokens {

constexpr int kThreads = 256;

struct KeepArgs {
  int32_t* kept;
  const int32_t* slots;
  const int32_t* tokens;
  int64_t count, slot_count;
};

__global__ void __launch_bounds__(kThreads) keep(KeepArgs a) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= a.count) return;
  const int32_t slot = a.slots[i];
  if (slot >= 0 && slot < a.slot_count) a.kept[slot] = a.tokens[i];
}

void launch(const LaunchArgs& args, ExecContext& context) {
  const KeepArgs a = {args.outputs[0].as<int32_t>(), args.inputs[1].as<const int32_t>(),
                      args.inputs[2].as<const int32_t>(), args.inputs[1].elements(),
                      args.outputs[0].elements()};
  if (a.count == 0) return;
  const auto blocks = static_cast<unsigned>(ceil_div(a.count, kThreads));
  keep<<<blocks, kThreads, 0, cuda_stream(context.stream)>>>(a);
  check_launch("keep_tokens");
}

}  // namespace kernel_keep_tokens

// A thread a token.
const KernelDef& keep_tokens_kernel() {
  using namespace kernel_keep_tokens;
  static const KernelDef kernel = {
      .name = "keep_tokens",
      .op = "keep_tokens",
      .device = "cuda",
      .invariant = true,
      .priority = 10,
      .prepare = [](const KernelDesc&, std::string_view) { return make_instance(launch); }};
  return kernel;
}

}  // namespace ingot::cuda
