#include "runtime/sample_plan.h"

namespace ingot {
namespace rule_logit_bias {

bool active(const SamplingParams& p) { return !p.logit_bias.empty(); }

void lower(SampleBuilder& b) {
  b.set_logits(
      b.step("logits_bias", {},
             {b.logits(), b.list_ids("bias"), b.list_offsets("bias"), b.list_values("bias")})[0]);
}

}  // namespace rule_logit_bias

// What the request adds to single logits; -infinity bans an id.
const SamplerRule& logit_bias_rule() {
  using namespace rule_logit_bias;
  static const SamplerRule rule = {"logit_bias", 150, active, lower};
  return rule;
}

}  // namespace ingot
