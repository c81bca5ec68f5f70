#include "kernels/cuda/contract/views.h"

namespace ingot::cuda {
namespace kernel_feed_tokens {

constexpr int kThreads = 256;

struct FeedArgs {
  const int32_t* ids;
  const int32_t* kept;
  int32_t* out;
  int64_t count, slots;
};

__global__ void __launch_bounds__(kThreads) feed(FeedArgs a) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= a.count) return;
  int32_t id = a.ids[i];
  const int64_t slot = -1 - static_cast<int64_t>(id);
  if (id < 0 && slot < a.slots) id = a.kept[slot];
  a.out[i] = max(id, 0);
}

void launch(const LaunchArgs& args, ExecContext& context) {
  const FeedArgs a = {args.inputs[0].as<const int32_t>(), args.inputs[1].as<const int32_t>(),
                      args.outputs[0].as<int32_t>(), args.inputs[0].elements(),
                      args.inputs[1].elements()};
  if (a.count == 0) return;
  const auto blocks = static_cast<unsigned>(ceil_div(a.count, kThreads));
  feed<<<blocks, kThreads, 0, cuda_stream(context.stream)>>>(a);
  check_launch("feed_tokens");
}

}  // namespace kernel_feed_tokens

// A thread a token.
const KernelDef& feed_tokens_kernel() {
  using namespace kernel_feed_tokens;
  static const KernelDef kernel = {
      .name = "feed_tokens",
      .op = "feed_tokens",
      .device = "cuda",
      .invariant = true,
      .priority = 10,
      .prepare = [](const KernelDesc&, std::string_view) { return make_instance(launch); }};
  return kernel;
}

}  // namespace ingot::cuda
