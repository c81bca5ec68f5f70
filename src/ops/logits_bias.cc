#include "ops/contract/logits_args.h"

namespace ingot {
namespace op_logits_bias {

std::vector<ValueType> infer(const InferArgs& args) {
  for (size_t i : {1, 2}) index_list(args, i);
  const ValueType& values = args.input(3);
  if (values.shape != args.input(1).shape || !(values.element == ElementType(DType::kFloat32))) {
    args.bad("input 3 must be float32 with an element for each id, found " + type_text(values));
  }
  return {logits_matrix(args)};
}

void reference(const OpArgs& args) {
  const int64_t vocab = args.inputs[0].columns();
  const float* values = args.inputs[3].as<float>();
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
    const std::span<float> logits = copy_logits_row(args, r);
    const int64_t end = std::min(load_index(args.inputs[2], r + 1), args.inputs[1].elements());
    for (int64_t i = std::max<int64_t>(0, load_index(args.inputs[2], r)); i < end; ++i) {
      const int64_t id = load_index(args.inputs[1], i);
      if (id >= 0 && id < vocab) logits[static_cast<size_t>(id)] += values[i];
    }
  }
}

}  // namespace op_logits_bias

// Adds a value to the logit of each listed id; -infinity takes the id out. A row lists an id once
// at most. Inputs: logits, ids, offsets[samples + 1], values (one for each id).
const OpDef& logits_bias_op() {
  using namespace op_logits_bias;
  static const OpDef op = {.name = "logits_bias", .infer = infer, .reference = reference};
  return op;
}

}  // namespace ingot
