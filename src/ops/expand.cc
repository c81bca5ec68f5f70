// Broadcasts to a shape. Attribute shape: dimensions as text, symbols allowed; the result is the
// broadcast of the input's shape and this one, as in ONNX.
#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_expand {

struct ExpandAttrs {
  std::vector<std::string> shape;
  template <typename V>
  void fields(V& v) {
    v("shape", shape);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_scalar_type(args, 0);
  SymShape shape;
  for (const std::string& dim : read_attrs<ExpandAttrs>(args.attrs, "ops/expand").shape) {
    shape.push_back(Dim::parse(dim));
    if (shape.back().is_constant() && shape.back().constant() < 0) args.bad("negative dimension");
  }
  const SymShape shapes[] = {args.input(0).shape, shape};
  return {{args.input(0).element, ops::broadcast_shapes(args, shapes)}};
}

void reference(const OpArgs& args) {
  const TensorView& y = args.outputs[0];
  const std::array<std::vector<int64_t>, 1> strides = {
      ops::broadcast_strides(args.inputs[0].shape, y.shape)};
  const ops::ElementMover mover(args.inputs[0], y);
  ops::walk(y.shape, strides,
            [&](int64_t i, const std::array<int64_t, 1>& at) { mover.move(i, at[0]); });
}

std::vector<int> import_expand(const OnnxNode& node, OpEmitter& emitter) {
  const SymShape shape = ops::onnx_shape_input(node, emitter, 1, "shape");
  return {
      emitter.emit("expand", {{"shape", ops::dims_text(shape)}}, {ops::onnx_required(node, 0)})};
}

std::vector<int> import_constant_of_shape(const OnnxNode& node, OpEmitter& emitter) {
  const SymShape shape = ops::onnx_shape_input(node, emitter, 0, "shape");
  auto it = node.tensors.find("value");
  const int value = it == node.tensors.end() ? ops::add_scalar(emitter, DType::kFloat32, 0)
                                             : ops::emit_reshape(emitter, it->second, {});
  return {emitter.emit("expand", {{"shape", ops::dims_text(shape)}}, {value})};
}

}  // namespace op_expand

const OpDef& expand_op() {
  using namespace op_expand;
  static const OpDef op = {.name = "expand",
                           .onnx = {{"", "Expand", 8, &import_expand},
                                    {"", "ConstantOfShape", 9, &import_constant_of_shape}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
