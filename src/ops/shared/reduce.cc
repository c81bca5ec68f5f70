#include "ops/shared/reduce.h"

namespace ingot::ops {

std::vector<bool> reduced_axes(const ReduceAttrs& attrs, size_t rank) {
  std::vector<bool> out(rank, false);
  for (int64_t axis : attrs.axes) out.at(static_cast<size_t>(wrap_axis(axis, rank))) = true;
  return out;
}

std::vector<ValueType> reduce_infer_axes(const InferArgs& args, Types types) {
  require_types(args, 0, types);
  const auto attrs = read_attrs<ReduceAttrs>(args.attrs, args.op);
  const SymShape& from = args.input(0).shape;
  for (int64_t axis : attrs.axes) normalize_axis(args, axis, from.size());
  const std::vector<bool> reduced = reduced_axes(attrs, from.size());
  SymShape shape;
  for (size_t d = 0; d < from.size(); ++d) {
    if (!reduced[d]) {
      shape.push_back(from[d]);
    } else if (attrs.keep_dims) {
      shape.push_back(1);
    }
  }
  return {{args.input(0).element, shape}};
}

Attrs reduce_attrs(const OnnxNode& node, OpEmitter& emitter, int x) {
  onnx_allow_attrs(node, {"axes", "keepdims", "noop_with_empty_axes"});
  ReduceAttrs out;
  out.keep_dims = onnx_int(node, "keepdims", 1) != 0;
  auto axes = onnx_ints(node, "axes");
  if (!axes) axes = onnx_constant_ints(node, emitter, 1, "axes");
  const bool none = !axes || axes->empty();
  if (!none) {
    for (int64_t axis : *axes) out.axes.push_back(onnx_axis(node, axis, onnx_rank(emitter, x)));
  } else if (onnx_int(node, "noop_with_empty_axes", 0) == 0) {
    for (size_t d = 0; d < onnx_rank(emitter, x); ++d) out.axes.push_back(static_cast<int64_t>(d));
  }
  return write_attrs(out);
}

}  // namespace ingot::ops
