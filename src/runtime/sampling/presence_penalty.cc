#include "runtime/sample_plan.h"

namespace ingot {
namespace rule_presence_penalty {

bool active(const SamplingParams& p) { return p.presence_penalty != 0; }

void lower(SampleBuilder& b) {
  const int penalty = b.row_param("presence_penalty", DType::kFloat32,
                                  [](const SamplingParams& p) { return p.presence_penalty; });
  b.set_logits(
      b.step("logits_presence_penalty", {},
             {b.logits(), b.history_ids(), b.history_offsets(), b.prompt_lengths(), penalty})[0]);
}

}  // namespace rule_presence_penalty

// Ids that occur in the output become less likely (penalty > 0).
const SamplerRule& presence_penalty_rule() {
  using namespace rule_presence_penalty;
  static const SamplerRule rule = {.name = "presence_penalty",
                                   .order = 110,
                                   .active = active,
                                   .lower = lower,
                                   .params = {{.name = "presence_penalty",
                                               .min = -100,
                                               .max = 100,
                                               .help = "over tokens of the answer; 0 = off",
                                               .number = &SamplingParams::presence_penalty}}};
  return rule;
}

}  // namespace ingot
