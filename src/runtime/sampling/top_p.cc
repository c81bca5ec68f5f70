#include "runtime/sample_plan.h"

namespace ingot {
namespace rule_top_p {

bool active(const SamplingParams& p) { return p.temperature != 0 && p.top_p < 1; }

void lower(SampleBuilder& b) {
  const int parameter =
      b.row_param("top_p", DType::kFloat32, [](const SamplingParams& p) { return p.top_p; });
  b.set_logits(b.step("logits_top_p", {}, {b.logits(), parameter})[0]);
}

}  // namespace rule_top_p

// Draws among the most likely ids that make up the probability p.
const SamplerRule& top_p_rule() {
  using namespace rule_top_p;
  static const SamplerRule rule = {
      .name = "top_p",
      .order = 410,
      .active = active,
      .lower = lower,
      .params = {{.name = "top_p",
                  .neutral = 1,
                  .max = 1,
                  .above_min = true,
                  .help = "draw from the best tokens that hold this probability",
                  .number = &SamplingParams::top_p}}};
  return rule;
}

}  // namespace ingot
