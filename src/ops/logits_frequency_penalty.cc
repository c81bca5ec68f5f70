#include "ops/contract/logits_args.h"

namespace ingot {
namespace op_logits_frequency_penalty {

void reference(const OpArgs& args) {
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
    const std::span<float> logits = copy_logits_row(args, r);
    const float penalty = args.inputs[4].as<float>()[r];
    if (penalty == 0.0f) continue;
    for (const auto& entry : output_counts(args, r))
      logits[entry.first] -= penalty * static_cast<float>(entry.second);
  }
}

}  // namespace op_logits_frequency_penalty

// Subtracts the penalty times the number of occurrences in the output.
const OpDef& logits_frequency_penalty_op() {
  using namespace op_logits_frequency_penalty;
  static const OpDef op = {
      .name = "logits_frequency_penalty", .infer = infer_penalty, .reference = reference};
  return op;
}

}  // namespace ingot
