#include "runtime/sample_plan.h"

namespace ingot {
namespace rule_min_tokens {

bool active(const SamplingParams& p) {
  return p.min_tokens > 0 && (!p.eos_token_ids.empty() || !p.stop_token_ids.empty());
}

void lower(SampleBuilder& b) {
  b.set_logits(
      b.step("logits_ban", {}, {b.logits(), b.list_ids("banned"), b.list_offsets("banned")})[0]);
}

}  // namespace rule_min_tokens

// No end or stop token is among the first min_tokens tokens of the answer.
const SamplerRule& min_tokens_rule() {
  using namespace rule_min_tokens;
  static const SamplerRule rule = {"min_tokens", 200, active, lower};
  return rule;
}

}  // namespace ingot
