#include "runtime/sample_plan.h"

namespace ingot {
namespace rule_grammar {

bool active(const SamplingParams& p) { return p.grammar != nullptr; }

void lower(SampleBuilder& b) {
  b.set_logits(
      b.step("logits_mask", {}, {b.logits(), b.list_ids("mask"), b.list_offsets("mask")})[0]);
}

}  // namespace rule_grammar

// Only tokens with which the answer goes on in its grammar.
const SamplerRule& grammar_rule() {
  using namespace rule_grammar;
  static const SamplerRule rule = {"grammar", 230, active, lower};
  return rule;
}

}  // namespace ingot
