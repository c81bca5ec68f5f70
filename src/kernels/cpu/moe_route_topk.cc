#include <algorithm>
#include <cmath>

#include "kernels/cpu/linear_common.h"

namespace ingot::cpu {
namespace kernel_moe_route_topk {

struct Route {
  int64_t k = 0;
  bool sigmoid = false, normalise = true;
  float scale = 1.0f;
  explicit Route(const Attrs& attrs)
      : k(attr_or<int64_t>(attrs, "k", 0)),
        sigmoid(attr_or<std::string>(attrs, "scoring", "softmax") == "sigmoid"),
        normalise(attr_or<bool>(attrs, "normalise", true)),
        scale(static_cast<float>(attr_or<double>(attrs, "scale", 1.0))) {}
};

// Working memory of a thread, each of as many elements as there are experts.
struct Scratch {
  std::vector<float> score, value;
  std::vector<int64_t> best;  // the first k are the best so far, in order
  explicit Scratch(int64_t experts)
      : score(static_cast<size_t>(experts)), value(score.size()), best(score.size()) {}
};

void score_all(const Route& route, std::vector<float>& values) {
  if (route.sigmoid) {
    for (float& v : values) v = 1.0f / (1.0f + std::exp(-v));
    return;
  }
  float peak = -INFINITY;
  for (float v : values) peak = std::max(peak, v);
  float total = 0;
  for (float& v : values) total += v = std::exp(v - peak);
  for (float& v : values) v /= total;
}

void route_token(const Route& route, const LaunchArgs& args, int64_t token, const float* bias,
                 Scratch& s) {
  const auto experts = static_cast<int64_t>(s.score.size());
  load_row(args.inputs[0], token, 0, experts, s.score.data());
  s.value = s.score;
  score_all(route, s.score);
  int64_t found = 0;
  for (int64_t e = 0; e < experts; ++e) {
    float& value = s.value[static_cast<size_t>(e)];
    if (bias) value = s.score[static_cast<size_t>(e)] + bias[e];
    if (std::isnan(value)) value = -INFINITY;
    const auto beats = [&](int64_t at) {
      return value > s.value[static_cast<size_t>(s.best[static_cast<size_t>(at)])];
    };
    if (found == route.k && !beats(found - 1)) continue;
    int64_t at = found < route.k ? found++ : found - 1;
    for (; at > 0 && beats(at - 1); --at) {
      s.best[static_cast<size_t>(at)] = s.best[static_cast<size_t>(at - 1)];
    }
    s.best[static_cast<size_t>(at)] = e;
  }
  float total = 0;
  for (int64_t j = 0; j < route.k; ++j) {
    total += s.score[static_cast<size_t>(s.best[static_cast<size_t>(j)])];
  }
  const float divisor = route.normalise && total != 0 ? total : 1.0f;
  for (int64_t j = 0; j < route.k; ++j) {
    const int64_t expert = s.best[static_cast<size_t>(j)];
    args.outputs[0].as<int32_t>()[token * route.k + j] = static_cast<int32_t>(expert);
    args.outputs[1].as<float>()[token * route.k + j] =
        s.score[static_cast<size_t>(expert)] / divisor * route.scale;
  }
}

void launch(const LaunchArgs& args, const Route& route, ExecContext& context) {
  const int64_t experts = args.inputs[0].columns();
  std::vector<float> bias;
  if (args.inputs.size() > 1 && args.inputs[1].present()) {
    bias.resize(static_cast<size_t>(experts));
    load_row(args.inputs[1], 0, 0, experts, bias.data());
  }
  context.team->parallel_for(args.inputs[0].rows(), 16, [&](int64_t begin, int64_t end) {
    Scratch scratch(experts);
    for (int64_t t = begin; t < end; ++t) {
      route_token(route, args, t, bias.empty() ? nullptr : bias.data(), scratch);
    }
  });
}

}  // namespace kernel_moe_route_topk

// One pass over the experts of a token, which keeps the best k in order.
const KernelDef& moe_route_topk_kernel() {
  using namespace kernel_moe_route_topk;
  static const KernelDef kernel = {
      .name = "moe_route_topk",
      .op = "moe_route",
      .device = "cpu",
      .invariant = true,
      .priority = 10,
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        return make_instance(
            [route = Route(desc.attrs)](const LaunchArgs& args, ExecContext& context) {
              launch(args, route, context);
            });
      }};
  return kernel;
}

}  // namespace ingot::cpu
