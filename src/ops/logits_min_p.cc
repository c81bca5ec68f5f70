#include <algorithm>

#include "ops/contract/logits_args.h"

namespace ingot {
namespace op_logits_min_p {

void reference(const OpArgs& args) {
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
    const std::span<float> logits = copy_logits_row(args, r);
    const float min_p = args.inputs[1].as<float>()[r];
    if (min_p <= 0.0f) continue;
    const float peak = *std::max_element(logits.begin(), logits.end());
    // The logarithm in float64: rounded to float32 it is the same on every device.
    const double share = static_cast<double>(std::min(min_p, 1.0f));
    const float least = peak + static_cast<float>(std::log(share));
    for (float& v : logits) {
      if (v < least) v = -INFINITY;
    }
  }
}

}  // namespace op_logits_min_p

// Keeps ids whose probability is at least min_p times the best one's (Nguyen et al., "Turning Up
// the Heat: Min-p Sampling", 2024); the rest become -infinity. 0: all.
const OpDef& logits_min_p_op() {
  using namespace op_logits_min_p;
  static const OpDef op = {
      .name = "logits_min_p", .infer = infer_filter<DType::kFloat32>, .reference = reference};
  return op;
}

}  // namespace ingot
