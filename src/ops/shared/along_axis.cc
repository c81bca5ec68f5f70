#include "ops/shared/along_axis.h"

namespace ingot::ops {

std::vector<ValueType> along_axis_infer(const InferArgs& args) {
  require_float(args, 0);
  require_min_rank(args, 0, 1);
  normalize_axis(args, read_attrs<AxisAttrs>(args.attrs, args.op).axis, args.input(0).shape.size());
  return {args.input(0)};
}

std::vector<int> along_axis_import_13(const OnnxNode& node, OpEmitter& emitter,
                                      std::string_view op) {
  return {emitter.emit(op, onnx_attrs<AxisAttrs>(node), {onnx_required(node, 0)})};
}

std::vector<int> along_axis_import_1(const OnnxNode& node, OpEmitter& emitter,
                                     std::string_view op) {
  onnx_allow_attrs(node, {"axis"});
  const int x = onnx_required(node, 0);
  const SymShape shape = emitter.type(x).shape;
  const int64_t axis = onnx_axis(node, onnx_int(node, "axis", 1), shape.size());
  const Attrs last = {{"axis", int64_t{-1}}};
  if (axis + 1 == static_cast<int64_t>(shape.size())) return {emitter.emit(op, last, {x})};
  const int flat = emit_reshape(emitter, x,
                                {element_count(SymShape(shape.begin(), shape.begin() + axis)),
                                 element_count(SymShape(shape.begin() + axis, shape.end()))});
  return {emit_reshape(emitter, emitter.emit(op, last, {flat}), shape)};
}

}  // namespace ingot::ops
