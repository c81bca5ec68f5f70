// A new axis of length depth, on_value where the index points and off_value elsewhere. Inputs:
// indices, values [off, on]. Negative indices count from the end; others out of range match
// nothing.
#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_one_hot {

struct OneHotAttrs {
  int64_t axis = -1;
  int64_t depth = 0;
  template <typename V>
  void fields(V& v) {
    v("axis", axis);
    v("depth", depth);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_numeric(args, 0);
  const auto a = read_attrs<OneHotAttrs>(args.attrs, "ops/one_hot");
  if (a.depth < 0) args.bad("depth is negative");
  if (!(element_count(args.input(1).shape) == Dim(2))) args.bad("values must be [off, on]");
  SymShape shape = args.input(0).shape;
  const int64_t axis = ops::normalize_axis(args, a.axis, shape.size() + 1);
  shape.insert(shape.begin() + axis, Dim(a.depth));
  return {{args.input(1).element, shape}};
}

void reference(const OpArgs& args) {
  const TensorView& y = args.outputs[0];
  const auto a = read_attrs<OneHotAttrs>(args.attrs, "ops/one_hot");
  const ops::AxisSplit s = ops::split_at(y.shape, ops::wrap_axis(a.axis, y.shape.size()));
  const ops::Elements<int64_t> index(args.inputs[0]);
  const ops::ElementMover mover(args.inputs[1], y);
  for (int64_t i = 0; i < y.elements(); ++i) {
    const int64_t position = i / s.inner % s.length;
    int64_t k = index.get(i / s.inner / s.length * s.inner + i % s.inner);
    if (k < 0) k += s.length;
    mover.move(i, k == position ? 1 : 0);
  }
}

std::vector<int> import_one_hot(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"axis"});
  const auto depth = ops::onnx_constant_ints(node, emitter, 1, "depth");
  if (!depth || depth->size() != 1) node.unsupported("depth must be one integer");
  return {emitter.emit("one_hot",
                       {{"axis", ops::onnx_int(node, "axis", -1)}, {"depth", (*depth)[0]}},
                       {ops::onnx_required(node, 0), ops::onnx_required(node, 2)})};
}

}  // namespace op_one_hot

const OpDef& one_hot_op() {
  using namespace op_one_hot;
  static const OpDef op = {.name = "one_hot",
                           .onnx = {{"", "OneHot", 9, &import_one_hot}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
