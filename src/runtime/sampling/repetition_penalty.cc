#include "runtime/sample_plan.h"

namespace ingot {
namespace rule_repetition_penalty {

bool active(const SamplingParams& p) { return p.repetition_penalty != 1; }

void lower(SampleBuilder& b) {
  const int penalty = b.row_param("repetition_penalty", DType::kFloat32,
                                  [](const SamplingParams& p) { return p.repetition_penalty; });
  b.set_logits(
      b.step("logits_repetition_penalty", {},
             {b.logits(), b.history_ids(), b.history_offsets(), b.prompt_lengths(), penalty})[0]);
}

}  // namespace rule_repetition_penalty

// Ids of prompt and output become less likely (penalty > 1).
const SamplerRule& repetition_penalty_rule() {
  using namespace rule_repetition_penalty;
  static const SamplerRule rule = {.name = "repetition_penalty",
                                   .order = 100,
                                   .active = active,
                                   .lower = lower,
                                   .params = {{.name = "repetition_penalty",
                                               .neutral = 1,
                                               .min = 1e-3,
                                               .max = 1e3,
                                               .help = "over prompt and answer; 1 = off",
                                               .number = &SamplingParams::repetition_penalty}}};
  return rule;
}

}  // namespace ingot
