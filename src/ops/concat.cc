// Joins inputs along one axis.
#include <cstring>

#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_concat {

struct ConcatAttrs {
  int64_t axis = 0;
  template <typename V>
  void fields(V& v) {
    v("axis", axis);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_scalar_type(args, 0);
  ops::require_min_rank(args, 0, 1);
  ValueType out = args.input(0);
  const auto axis = static_cast<size_t>(ops::normalize_axis(
      args, read_attrs<ConcatAttrs>(args.attrs, "ops/concat").axis, out.shape.size()));
  for (size_t i = 1; i < args.inputs.size(); ++i) {
    ops::require_same_type(args, 0, i);
    const SymShape& shape = args.input(i).shape;
    bool fits = shape.size() == out.shape.size();
    for (size_t d = 0; fits && d < shape.size(); ++d) {
      if (d == axis || !shape[d].is_constant() || !out.shape[d].is_constant()) continue;
      fits = shape[d] == out.shape[d];
    }
    if (!fits) {
      args.bad(fmt::format("input {} of shape {} does not join {} along axis {}", i,
                           shape_text(shape), shape_text(args.input(0).shape), axis));
    }
    out.shape[axis] = out.shape[axis] + shape[axis];
  }
  return {out};
}

void reference(const OpArgs& args) {
  const TensorView& y = args.outputs[0];
  const int64_t axis =
      ops::wrap_axis(read_attrs<ConcatAttrs>(args.attrs, "ops/concat").axis, y.shape.size());
  const ops::AxisSplit whole = ops::split_at(y.shape, axis);
  int64_t begin = 0;
  for (const TensorView& x : args.inputs) {
    const ops::AxisSplit part = ops::split_at(x.shape, axis);
    const ops::ElementMover mover(x, y);
    const int64_t run = part.length * part.inner;
    for (int64_t o = 0; o < part.outer; ++o) {
      const int64_t to = (o * whole.length + begin) * whole.inner;
      for (int64_t i = 0; i < run; ++i) mover.move(to + i, o * run + i);
    }
    begin += part.length;
  }
}

std::optional<std::vector<Dim>> dims(const DimsArgs& args) {
  std::vector<Dim> out;
  for (size_t i = 0; i < args.inputs.size(); ++i) {
    const std::vector<Dim>* part = args.known(i);
    if (!part) return std::nullopt;
    out.insert(out.end(), part->begin(), part->end());
  }
  return out;
}

std::vector<int> import_concat(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"axis"});
  for (size_t i = 0; i < node.inputs.size(); ++i) ops::onnx_required(node, i);
  return {emitter.emit("concat", {{"axis", ops::onnx_int(node, "axis", 0)}}, node.inputs)};
}

}  // namespace op_concat

const OpDef& concat_op() {
  using namespace op_concat;
  static const OpDef op = {.name = "concat",
                           .onnx = {{"", "Concat", 4, &import_concat}},
                           .infer = &infer,
                           .reference = &reference,
                           .dims = &dims};
  return op;
}

}  // namespace ingot
