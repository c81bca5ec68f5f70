#include "ops/contract/logits_args.h"

namespace ingot {
namespace op_logits_allow {

std::vector<ValueType> infer(const InferArgs& args) {
  for (size_t i : {1, 2}) index_list(args, i);
  return {logits_matrix(args)};
}

void reference(const OpArgs& args) {
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
    const std::span<float> logits = copy_logits_row(args, r);
    if (load_index(args.inputs[2], r) >= load_index(args.inputs[2], r + 1)) continue;
    const float* before = args.inputs[0].row_as<float>(r);
    std::fill(logits.begin(), logits.end(), -INFINITY);
    visit_ids(args, 1, 2, r, 0, [&](size_t id) { logits[id] = before[id]; });
  }
}

}  // namespace op_logits_allow

// Logits of all ids but the listed ones become -infinity; a row that lists nothing stays as it is.
// Inputs: logits, ids, offsets[samples + 1].
const OpDef& logits_allow_op() {
  using namespace op_logits_allow;
  static const OpDef op = {.name = "logits_allow", .infer = infer, .reference = reference};
  return op;
}

}  // namespace ingot
