#include "ops/contract/logits_args.h"

namespace ingot {
namespace op_logits_presence_penalty {

void reference(const OpArgs& args) {
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
    const std::span<float> logits = copy_logits_row(args, r);
    const float penalty = args.inputs[4].as<float>()[r];
    if (penalty == 0.0f) continue;
    for (const auto& entry : output_counts(args, r)) logits[entry.first] -= penalty;
  }
}

}  // namespace op_logits_presence_penalty

// Subtracts the penalty from the logits of ids that occur in the output.
const OpDef& logits_presence_penalty_op() {
  using namespace op_logits_presence_penalty;
  static const OpDef op = {
      .name = "logits_presence_penalty", .infer = infer_penalty, .reference = reference};
  return op;
}

}  // namespace ingot
