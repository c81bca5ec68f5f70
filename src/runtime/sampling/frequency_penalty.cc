#include "runtime/sample_plan.h"

namespace ingot {
namespace rule_frequency_penalty {

bool active(const SamplingParams& p) { return p.frequency_penalty != 0; }

void lower(SampleBuilder& b) {
  const int penalty = b.row_param("frequency_penalty", DType::kFloat32,
                                  [](const SamplingParams& p) { return p.frequency_penalty; });
  b.set_logits(
      b.step("logits_frequency_penalty", {},
             {b.logits(), b.history_ids(), b.history_offsets(), b.prompt_lengths(), penalty})[0]);
}

}  // namespace rule_frequency_penalty

// The more often an id occurs in the output the less likely it becomes (penalty > 0).
const SamplerRule& frequency_penalty_rule() {
  using namespace rule_frequency_penalty;
  static const SamplerRule rule = {
      .name = "frequency_penalty",
      .order = 120,
      .active = active,
      .lower = lower,
      .params = {{.name = "frequency_penalty",
                  .min = -100,
                  .max = 100,
                  .help = "over tokens of the answer, each time; 0 = off",
                  .number = &SamplingParams::frequency_penalty}}};
  return rule;
}

}  // namespace ingot
