// unit: large
#include "kernels/cuda/arch/early_start.cuh"
#include "kernels/cuda/arch/numeric.cuh"

namespace ingot::cuda {
namespace kernel_moe_route {

constexpr int kWarps = 4;
constexpr int64_t kMostExperts = 512;
constexpr int64_t kMostChosen = 32;  // a lane keeps one

struct RouteArgs {
  AnyFloats logits, bias;
  int64_t stride;  // elements
  int* ids;
  float* weights;
  int64_t tokens;
  int experts, k;
  bool sigmoid, normalise;
  float scale;
};

// An expert that may be chosen; id INT_MAX: none.
struct Candidate {
  float value;
  int id;
  __device__ bool beats(const Candidate& other) const {
    return value > other.value || (value == other.value && id < other.id);
  }
};

// The best of all lanes, in every lane.
__device__ Candidate warp_best(Candidate mine) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    const Candidate other = {__shfl_xor_sync(~0u, mine.value, offset),
                             __shfl_xor_sync(~0u, mine.id, offset)};
    if (other.beats(mine)) mine = other;
  }
  return mine;
}

// Logits of a lane's experts into scores.
template <int kSlots>
__device__ void score_all(const RouteArgs& a, float (&score)[kSlots]) {
  const int lane = threadIdx.x % 32;
  if (a.sigmoid) {
#pragma unroll
    for (int i = 0; i < kSlots; ++i) score[i] = 1.0f / (1.0f + expf(-score[i]));
    return;
  }
  float peak = -INFINITY;
#pragma unroll
  for (int i = 0; i < kSlots; ++i) peak = fmaxf(peak, score[i]);
  peak = warp_max(peak);
  float total = 0;
#pragma unroll
  for (int i = 0; i < kSlots; ++i) {
    score[i] = expf(score[i] - peak);
    if (lane + 32 * i < a.experts) total += score[i];
  }
  total = warp_sum(total);
#pragma unroll
  for (int i = 0; i < kSlots; ++i) score[i] /= total;
}

// A warp a token; lane l holds experts l, l + 32, ...
template <int kSlots>
__global__ void __launch_bounds__(32 * kWarps) route(RouteArgs a) {
  wait_for_earlier();
  let_next_start();
  const int lane = threadIdx.x % 32;
  const int64_t token = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  if (token >= a.tokens) return;
  float score[kSlots], value[kSlots];  // what weights are made of, what experts are chosen by
#pragma unroll
  for (int i = 0; i < kSlots; ++i) {
    const int expert = lane + 32 * i;
    score[i] = expert < a.experts ? load_any(a.logits, token * a.stride + expert) : -INFINITY;
    value[i] = score[i];
  }
  score_all(a, score);
#pragma unroll
  for (int i = 0; i < kSlots; ++i) {
    const int expert = lane + 32 * i;
    if (a.bias.data && expert < a.experts) value[i] = score[i] + load_any(a.bias, expert);
    if (isnan(value[i])) value[i] = -INFINITY;
  }
  unsigned left = 0;  // slots that are not chosen yet
#pragma unroll
  for (int i = 0; i < kSlots; ++i) left |= lane + 32 * i < a.experts ? 1u << i : 0u;
  float total = 0, weight = 0;
  int id = 0;
  for (int j = 0; j < a.k; ++j) {
    Candidate mine = {-INFINITY, INT_MAX};
    float of_mine = 0;
#pragma unroll
    for (int i = 0; i < kSlots; ++i) {
      const Candidate slot = {value[i], lane + 32 * i};
      if (!(left >> i & 1u) || !slot.beats(mine)) continue;
      mine = slot;
      of_mine = score[i];
    }
    const Candidate best = warp_best(mine);
    const float chosen = __shfl_sync(~0u, of_mine, best.id % 32);
    if (best.id % 32 == lane) left &= ~(1u << best.id / 32);
    total += chosen;
    if (lane == j) {
      id = best.id;
      weight = chosen;
    }
  }
  if (lane >= a.k) return;
  const float divisor = a.normalise && total != 0 ? total : 1.0f;
  a.ids[token * a.k + lane] = id;
  a.weights[token * a.k + lane] = weight / divisor * a.scale;
}

void launch(const RouteArgs& a, ExecContext& context) {
  void (*kernel)(RouteArgs) = route<16>;
  if (a.experts <= 256) kernel = route<8>;
  if (a.experts <= 128) kernel = route<4>;
  if (a.experts <= 32) kernel = route<1>;
  launch_early("moe_route", context, kernel, {ceil_div(a.tokens, kWarps), 1, 32 * kWarps}, 0, a);
}

std::string supports(const KernelDesc& desc) {
  if (!is_activation(desc.inputs[0].type)) return "logits are " + desc.inputs[0].type.name();
  if (desc.inputs.size() > 1 && desc.inputs[1].present && !is_activation(desc.inputs[1].type)) {
    return "bias is " + desc.inputs[1].type.name();
  }
  const int64_t experts = desc.inputs[0].shape[1];
  if (experts > kMostExperts) return std::to_string(experts) + " experts";
  const auto k = attr_or<int64_t>(desc.attrs, "k", 0);
  return k > kMostChosen ? std::to_string(k) + " experts a token" : "";
}

std::unique_ptr<KernelInstance> prepare(const KernelDesc& desc, std::string_view) {
  return make_instance([attrs = desc.attrs](const LaunchArgs& args, ExecContext& context) {
    RouteArgs a = {};
    a.logits = any_floats(args.inputs[0]);
    a.bias = optional_floats(args.inputs, 1);
    a.stride = row_elements(args.inputs[0]);
    a.ids = args.outputs[0].as<int>();
    a.weights = args.outputs[1].as<float>();
    a.tokens = args.inputs[0].rows();
    a.experts = static_cast<int>(args.inputs[0].columns());
    a.k = static_cast<int>(attr_or<int64_t>(attrs, "k", 0));
    a.sigmoid = attr_or<std::string>(attrs, "scoring", "softmax") == "sigmoid";
    a.normalise = attr_or<bool>(attrs, "normalise", true);
    a.scale = static_cast<float>(attr_or<double>(attrs, "scale", 1.0));
    launch(a, context);
  });
}

}  // namespace kernel_moe_route

// Up to 512 experts, 32 of them a token.
const KernelDef& moe_route_kernel() {
  using namespace kernel_moe_route;
  static const KernelDef kernel = {.name = "moe_route",
                                   .op = "moe_route",
                                   .device = "cuda",
                                   .invariant = true,
                                   .priority = 10,
                                   .supports = supports,
                                   .prepare = prepare};
  return kernel;
}

}  // namespace ingot::cuda
