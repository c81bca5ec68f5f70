#include "ops/contract/logits_args.h"

namespace ingot {
namespace op_logits_temperature {

void reference(const OpArgs& args) {
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
    const std::span<float> logits = copy_logits_row(args, r);
    const float temperature = args.inputs[1].as<float>()[r];
    if (temperature < kGreedyTemperature || temperature == 1.0f) continue;
    for (float& v : logits) v /= temperature;
  }
}

}  // namespace op_logits_temperature

// Logits divided by the row's temperature; one below kGreedyTemperature (greedy) leaves them alone.
const OpDef& logits_temperature_op() {
  using namespace op_logits_temperature;
  static const OpDef op = {
      .name = "logits_temperature", .infer = infer_filter<DType::kFloat32>, .reference = reference};
  return op;
}

}  // namespace ingot
