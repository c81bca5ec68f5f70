#include "runtime/sample_plan.h"

namespace ingot {
namespace rule_top_k {

constexpr double kMostTopK = (int64_t{1} << 31) - 1;

bool active(const SamplingParams& p) { return p.temperature != 0 && p.top_k > 0; }

void lower(SampleBuilder& b) {
  const int parameter = b.row_param(
      "top_k", DType::kInt32, [](const SamplingParams& p) { return static_cast<double>(p.top_k); });
  b.set_logits(b.step("logits_top_k", {}, {b.logits(), parameter})[0]);
}

}  // namespace rule_top_k

// Draws among the k most likely ids.
const SamplerRule& top_k_rule() {
  using namespace rule_top_k;
  static const SamplerRule rule = {.name = "top_k",
                                   .order = 400,
                                   .active = active,
                                   .lower = lower,
                                   .params = {{.name = "top_k",
                                               .max = kMostTopK,
                                               .help = "draw from the k best tokens; 0 = off",
                                               .integer = &SamplingParams::top_k,
                                               .whole = true}}};
  return rule;
}

}  // namespace ingot
