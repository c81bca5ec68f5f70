#include "ops/contract/op_def.h"

namespace ingot {
namespace op_feed_tokens {

std::vector<ValueType> infer(const InferArgs& args) {
  for (size_t i : {0, 1}) {
    const ValueType& v = args.input(i);
    if (v.shape.size() != 1 || !(v.element == ElementType(DType::kInt32))) {
      args.bad(fmt::format("input {} must be an int32 vector, found {}", i, type_text(v)));
    }
  }
  return {args.input(0)};
}

void reference(const OpArgs& args) {
  const TensorView& kept = args.inputs[1];
  for (int64_t i = 0; i < args.inputs[0].elements(); ++i) {
    const int64_t id = load_index(args.inputs[0], i);
    const int64_t slot = -1 - id;
    const bool known = id >= 0 || slot >= kept.elements();
    store_index(args.outputs[0], i, std::max<int64_t>(0, known ? id : load_index(kept, slot)));
  }
}

}  // namespace op_feed_tokens

// Token ids with references filled in: an id of -1 - s stands for kept[s], the token that the
// sample plan last drew for slot s. Inputs: ids [tokens], kept [slots]. Never negative, so that a
// row whose draw failed still reads a row of the embedding.
const OpDef& feed_tokens_op() {
  using namespace op_feed_tokens;
  static const OpDef op = {.name = "feed_tokens", .infer = infer, .reference = reference};
  return op;
}

}  // namespace ingot
