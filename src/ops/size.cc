// The number of elements as an int64 scalar.
#include "ops/shared/onnx_import.h"

namespace ingot {
namespace op_size {

std::vector<ValueType> infer(const InferArgs& args) {
  args.input(0);
  return {{DType::kInt64, {}}};
}

void reference(const OpArgs& args) { store_index(args.outputs[0], 0, args.inputs[0].elements()); }

std::optional<std::vector<Dim>> dims(const DimsArgs& args) {
  return std::vector<Dim>{element_count(args.inputs[0]->shape)};
}

std::vector<int> import_size(const OnnxNode& node, OpEmitter& emitter) {
  return {emitter.emit("size", {}, {ops::onnx_required(node, 0)})};
}

}  // namespace op_size

const OpDef& size_op() {
  using namespace op_size;
  static const OpDef op = {.name = "size",
                           .onnx = {{"", "Size", 1, &import_size}},
                           .infer = &infer,
                           .reference = &reference,
                           .host_only = true,
                           .shape_only = true,
                           .dims = &dims};
  return op;
}

}  // namespace ingot
