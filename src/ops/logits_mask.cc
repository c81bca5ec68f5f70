#include "ops/contract/logits_args.h"

namespace ingot {
namespace op_logits_mask {

std::vector<ValueType> infer(const InferArgs& args) {
  for (size_t i : {1, 2}) index_list(args, i);
  return {logits_matrix(args)};
}

void reference(const OpArgs& args) {
  const TensorView& words = args.inputs[1];
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
    const std::span<float> logits = copy_logits_row(args, r);
    const int64_t begin = std::max<int64_t>(0, load_index(args.inputs[2], r));
    const int64_t end = std::min(load_index(args.inputs[2], r + 1), words.elements());
    if (begin >= end) continue;
    for (size_t id = 0; id < logits.size(); ++id) {
      const int64_t at = begin + static_cast<int64_t>(id / 32);
      const auto word = at < end ? static_cast<uint32_t>(load_index(words, at)) : 0U;
      if ((word >> (id % 32) & 1) == 0) logits[id] = -INFINITY;
    }
  }
}

}  // namespace op_logits_mask

// Logits of ids whose bit is not set become -infinity; a row without words stays as it is. Bit
// i % 32 of a row's word i / 32 is id i's, those of words that are missing are not set.
// Inputs: logits, words (int32), offsets[samples + 1].
const OpDef& logits_mask_op() {
  using namespace op_logits_mask;
  static const OpDef op = {.name = "logits_mask", .infer = infer, .reference = reference};
  return op;
}

}  // namespace ingot
