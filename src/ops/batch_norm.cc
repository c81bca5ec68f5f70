// Inference form: (x - mean[C]) / sqrt(variance[C] + epsilon) * scale[C] + bias[C], C = axis 1.
#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_batch_norm {

struct BatchNormAttrs {
  double epsilon = 1e-5;
  template <typename V>
  void fields(V& v) {
    v("epsilon", epsilon);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_float(args, 0);
  ops::require_min_rank(args, 0, 2);
  read_attrs<BatchNormAttrs>(args.attrs, "ops/batch_norm");
  for (size_t i = 1; i < 5; ++i) {
    ops::require_float(args, i);
    if (!(args.input(i).shape == SymShape{args.input(0).shape[1]})) {
      args.bad(fmt::format("input {} of shape {} does not fit {}", i,
                           shape_text(args.input(i).shape), shape_text(args.input(0).shape)));
    }
  }
  return {args.input(0)};
}

void reference(const OpArgs& args) {
  const TensorView& x = args.inputs[0];
  const auto a = read_attrs<BatchNormAttrs>(args.attrs, "ops/batch_norm");
  const ops::AxisSplit s = ops::split_at(x.shape, 1);
  const ops::Elements<double> in(x), scale(args.inputs[1]), bias(args.inputs[2]),
      mean(args.inputs[3]), variance(args.inputs[4]), out(args.outputs[0]);
  for (int64_t i = 0; i < x.elements(); ++i) {
    const int64_t c = i / s.inner % s.length;
    out.put(i, (in.get(i) - mean.get(c)) / std::sqrt(variance.get(c) + a.epsilon) * scale.get(c) +
                   bias.get(c));
  }
}

std::vector<int> import_batch_norm(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"epsilon", "momentum", "training_mode", "spatial"});
  if (ops::onnx_int(node, "training_mode", 0) || node.outputs != 1) {
    node.unsupported("training mode");
  }
  if (ops::onnx_int(node, "spatial", 1) != 1) node.unsupported("attribute 'spatial'");
  std::vector<int> inputs;
  for (size_t i = 0; i < 5; ++i) inputs.push_back(ops::onnx_required(node, i));
  return {
      emitter.emit("batch_norm", {{"epsilon", ops::onnx_float(node, "epsilon", 1e-5)}}, inputs)};
}

}  // namespace op_batch_norm

const OpDef& batch_norm_op() {
  using namespace op_batch_norm;
  static const OpDef op = {.name = "batch_norm",
                           .onnx = {{"", "BatchNormalization", 7, &import_batch_norm}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
