#include "runtime/sample_plan.h"

namespace ingot {
namespace rule_bad_words {

bool active(const SamplingParams& p) { return !p.bad_words.empty(); }

void lower(SampleBuilder& b) {
  b.set_logits(b.step("logits_ban", {},
                      {b.logits(), b.list_ids("bad_word"), b.list_offsets("bad_word")})[0]);
}

}  // namespace rule_bad_words

// No token that would end one of the sequences. Which they are depends on the output so far,
// matched on the host.
const SamplerRule& bad_words_rule() {
  using namespace rule_bad_words;
  static const SamplerRule rule = {"bad_words", 220, active, lower};
  return rule;
}

}  // namespace ingot
