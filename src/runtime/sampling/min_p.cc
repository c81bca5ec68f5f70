#include "runtime/sample_plan.h"

namespace ingot {
namespace rule_min_p {

bool active(const SamplingParams& p) { return p.temperature != 0 && p.min_p > 0; }

void lower(SampleBuilder& b) {
  const int parameter =
      b.row_param("min_p", DType::kFloat32, [](const SamplingParams& p) { return p.min_p; });
  b.set_logits(b.step("logits_min_p", {}, {b.logits(), parameter})[0]);
}

}  // namespace rule_min_p

// Draws among ids that are at least min_p times as likely as the best.
const SamplerRule& min_p_rule() {
  using namespace rule_min_p;
  static const SamplerRule rule = {
      .name = "min_p",
      .order = 420,
      .active = active,
      .lower = lower,
      .params = {{.name = "min_p",
                  .max = 1,
                  .help = "least probability relative to the best token",
                  .number = &SamplingParams::min_p}}};
  return rule;
}

}  // namespace ingot
