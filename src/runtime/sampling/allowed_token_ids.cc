#include "runtime/sample_plan.h"

namespace ingot {
namespace rule_allowed_token_ids {

bool active(const SamplingParams& p) { return !p.allowed_token_ids.empty(); }

void lower(SampleBuilder& b) {
  b.set_logits(b.step("logits_allow", {},
                      {b.logits(), b.list_ids("allowed"), b.list_offsets("allowed")})[0]);
}

}  // namespace rule_allowed_token_ids

// No ids but the listed ones.
const SamplerRule& allowed_token_ids_rule() {
  using namespace rule_allowed_token_ids;
  static const SamplerRule rule = {"allowed_token_ids", 210, active, lower};
  return rule;
}

}  // namespace ingot
