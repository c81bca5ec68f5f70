// Operators that map each line along one axis to a line of the same length (softmax and kin).
#pragma once

#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot::ops {

struct AxisAttrs {
  int64_t axis = -1;
  template <typename V>
  void fields(V& v) {
    v("axis", axis);
  }
};
std::vector<ValueType> along_axis_infer(const InferArgs& args);
// Opset 13 on: along `axis` alone. Before: over all axes from `axis` on, flattened to two.
std::vector<int> along_axis_import_13(const OnnxNode& node, OpEmitter& emitter,
                                      std::string_view op);
std::vector<int> along_axis_import_1(const OnnxNode& node, OpEmitter& emitter, std::string_view op);

// F: struct { name; onnx; static void line(std::vector<double>&); }
template <typename F>
void along_axis_reference(const OpArgs& args) {
  const TensorView& x = args.inputs[0];
  const int64_t axis = read_attrs<AxisAttrs>(args.attrs, F::name).axis;
  const AxisSplit s = split_at(x.shape, wrap_axis(axis, x.shape.size()));
  const Elements<double> in(x), out(args.outputs[0]);
  std::vector<double> line(static_cast<size_t>(s.length));
  for (int64_t i = 0; i < s.outer * s.inner; ++i) {
    const int64_t base = i / s.inner * s.length * s.inner + i % s.inner;
    for (int64_t k = 0; k < s.length; ++k) {
      line[static_cast<size_t>(k)] = in.get(base + k * s.inner);
    }
    F::line(line);
    for (int64_t k = 0; k < s.length; ++k) {
      out.put(base + k * s.inner, line[static_cast<size_t>(k)]);
    }
  }
}

template <typename F>
OpDef along_axis_op() {
  OpDef op;
  op.name = F::name;
  op.onnx = {
      {"", F::onnx, 1,
       [](const OnnxNode& node, OpEmitter& e) { return along_axis_import_1(node, e, F::name); }},
      {"", F::onnx, 13,
       [](const OnnxNode& node, OpEmitter& e) { return along_axis_import_13(node, e, F::name); }}};
  op.infer = &along_axis_infer;
  op.reference = &along_axis_reference<F>;
  return op;
}

}  // namespace ingot::ops
