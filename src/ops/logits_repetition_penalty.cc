#include "ops/contract/logits_args.h"

namespace ingot {
namespace op_logits_repetition_penalty {

void reference(const OpArgs& args) {
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
    const std::span<float> logits = copy_logits_row(args, r);
    const float penalty = args.inputs[4].as<float>()[r];
    if (penalty == 1.0f) continue;
    const float* before = args.inputs[0].row_as<float>(r);
    // From the input, so that a repeated id is penalized once.
    visit_ids(args, 1, 2, r, 0, [&](size_t id) {
      logits[id] = before[id] > 0 ? before[id] / penalty : before[id] * penalty;
    });
  }
}

}  // namespace op_logits_repetition_penalty

// Logits of ids that occur in prompt or output are divided by the penalty where positive,
// multiplied where negative (Keskar et al., "CTRL", 2019, with the sign rule that the field
// adopted).
const OpDef& logits_repetition_penalty_op() {
  using namespace op_logits_repetition_penalty;
  static const OpDef op = {
      .name = "logits_repetition_penalty", .infer = infer_penalty, .reference = reference};
  return op;
}

}  // namespace ingot
