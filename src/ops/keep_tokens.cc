#include "ops/contract/op_def.h"

namespace ingot {
namespace op_keep_tokens {

std::vector<ValueType> infer(const InferArgs& args) {
  for (size_t i : {0, 1, 2}) {
    const ValueType& v = args.input(i);
    if (v.shape.size() != 1 || !(v.element == ElementType(DType::kInt32))) {
      args.bad(fmt::format("input {} must be an int32 vector, found {}", i, type_text(v)));
    }
  }
  if (!(args.input(1).shape == args.input(2).shape)) {
    args.bad(fmt::format("slots {} and tokens {} differ", type_text(args.input(1)),
                         type_text(args.input(2))));
  }
  return {args.input(0)};
}

void reference(const OpArgs& args) {
  const TensorView& kept = args.outputs[0];
  for (int64_t i = 0; i < args.inputs[1].elements(); ++i) {
    const int64_t slot = load_index(args.inputs[1], i);
    if (slot >= 0 && slot < kept.elements()) store_index(kept, slot, load_index(args.inputs[2], i));
  }
}

}  // namespace op_keep_tokens

// Writes each drawn token into its slot, for feed_tokens. Inputs: kept [slots], updated in place;
// slots [samples], distinct, those outside are left out; tokens [samples].
const OpDef& keep_tokens_op() {
  using namespace op_keep_tokens;
  static const OpDef op = {.name = "keep_tokens",
                           .infer = infer,
                           .effects = {.aliases = {{0, 0}}},
                           .reference = reference};
  return op;
}

}  // namespace ingot
