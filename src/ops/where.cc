// condition ? a : b with broadcasting.
#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_where {

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_bool(args, 0);
  ops::require_scalar_type(args, 1);
  ops::require_same_type(args, 1, 2);
  const SymShape shapes[] = {args.input(0).shape, args.input(1).shape, args.input(2).shape};
  return {{args.input(1).element, ops::broadcast_shapes(args, shapes)}};
}

void reference(const OpArgs& args) {
  const TensorView& y = args.outputs[0];
  std::array<std::vector<int64_t>, 3> strides;
  for (size_t k = 0; k < 3; ++k) strides[k] = ops::broadcast_strides(args.inputs[k].shape, y.shape);
  const ops::Elements<int64_t> condition(args.inputs[0]);
  const ops::ElementMover a(args.inputs[1], y), b(args.inputs[2], y);
  ops::walk(y.shape, strides, [&](int64_t i, const std::array<int64_t, 3>& at) {
    if (condition.get(at[0])) {
      a.move(i, at[1]);
    } else {
      b.move(i, at[2]);
    }
  });
}

std::vector<int> import_where(const OnnxNode& node, OpEmitter& emitter) {
  return {emitter.emit(
      "where", {},
      {ops::onnx_required(node, 0), ops::onnx_required(node, 1), ops::onnx_required(node, 2)})};
}

}  // namespace op_where

const OpDef& where_op() {
  using namespace op_where;
  static const OpDef op = {.name = "where",
                           .onnx = {{"", "Where", 9, &import_where}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
