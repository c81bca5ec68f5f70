#include "runtime/sample_plan.h"

namespace ingot {
namespace rule_temperature {

bool active(const SamplingParams& p) { return p.temperature != 0 && p.temperature != 1; }

void lower(SampleBuilder& b) {
  const int parameter = b.row_param("temperature", DType::kFloat32,
                                    [](const SamplingParams& p) { return p.temperature; });
  b.set_logits(b.step("logits_temperature", {}, {b.logits(), parameter})[0]);
}

}  // namespace rule_temperature

// Flattens (> 1) or sharpens (< 1) the distribution; 0 is greedy.
const SamplerRule& temperature_rule() {
  using namespace rule_temperature;
  static const SamplerRule rule = {
      .name = "temperature",
      .order = 300,
      .active = active,
      .lower = lower,
      .params = {{.name = "temperature",
                  .neutral = 1,
                  .max = 100,
                  .help = "flattens (> 1) or sharpens (< 1) what is drawn from; 0 = greedy",
                  .number = &SamplingParams::temperature}}};
  return rule;
}

}  // namespace ingot
