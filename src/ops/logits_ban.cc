#include "ops/contract/logits_args.h"

namespace ingot {
namespace op_logits_ban {

std::vector<ValueType> infer(const InferArgs& args) {
  for (size_t i : {1, 2}) index_list(args, i);
  return {logits_matrix(args)};
}

void reference(const OpArgs& args) {
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
    const std::span<float> logits = copy_logits_row(args, r);
    visit_ids(args, 1, 2, r, 0, [&](size_t id) { logits[id] = -INFINITY; });
  }
}

}  // namespace op_logits_ban

// Logits of the listed ids of each row become -infinity. Inputs: logits, ids, offsets[samples + 1].
const OpDef& logits_ban_op() {
  using namespace op_logits_ban;
  static const OpDef op = {.name = "logits_ban", .infer = infer, .reference = reference};
  return op;
}

}  // namespace ingot
