#include <algorithm>
#include <functional>

#include "ops/contract/logits_args.h"

namespace ingot {
namespace op_logits_top_k {

void reference(const OpArgs& args) {
  std::vector<float> order;
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
    const std::span<float> logits = copy_logits_row(args, r);
    const int64_t k = load_index(args.inputs[1], r);
    if (k <= 0 || k >= static_cast<int64_t>(logits.size()) || is_faulty(logits)) continue;
    order.assign(logits.begin(), logits.end());
    std::nth_element(order.begin(), order.begin() + (k - 1), order.end(), std::greater<>());
    const float least = order[static_cast<size_t>(k - 1)];
    for (float& v : logits) {
      if (v < least) v = -INFINITY;
    }
  }
}

}  // namespace op_logits_top_k

// Keeps the k largest logits of a row and all that equal the k-th; the rest become -infinity.
// k <= 0: all.
const OpDef& logits_top_k_op() {
  using namespace op_logits_top_k;
  static const OpDef op = {
      .name = "logits_top_k", .infer = infer_filter<DType::kInt32>, .reference = reference};
  return op;
}

}  // namespace ingot
