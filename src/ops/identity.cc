// A copy. The graph needs it where an output must not be the memory of an input or weight.
#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_identity {

std::vector<ValueType> infer(const InferArgs& args) { return {args.input(0)}; }

void reference(const OpArgs& args) { ops::copy_elements(args.inputs[0], args.outputs[0]); }

std::vector<int> import_identity(const OnnxNode& node, OpEmitter&) {
  return {ops::onnx_required(node, 0)};
}

// Inference: the data passes through; the mask, if wanted, is all true.
std::vector<int> import_dropout(const OnnxNode& node, OpEmitter& emitter) {
  const auto training = ops::onnx_constant_ints(node, emitter, 2, "training_mode");
  if (training && !training->empty() && (*training)[0] != 0) {
    const auto ratio = ops::onnx_constant_floats(node, emitter, 1, "ratio");
    const double dropped = ratio && !ratio->empty() ? (*ratio)[0] : 0.5;
    if (dropped != 0) node.unsupported("training mode");
  }
  const int x = ops::onnx_required(node, 0);
  if (node.outputs == 1) return {x};
  std::vector<std::string> dims;
  for (const Dim& dim : emitter.type(x).shape) dims.push_back(dim.text());
  const int yes = ops::add_scalar(emitter, DType::kBool, 1);
  return {x, emitter.emit("expand", {{"shape", dims}}, {yes})};
}

std::vector<int> import_constant(const OnnxNode& node, OpEmitter& emitter) {
  if (auto it = node.tensors.find("value"); it != node.tensors.end()) return {it->second};
  ops::onnx_allow_attrs(node, {"value_int", "value_ints", "value_float", "value_floats"});
  if (auto ints = ops::onnx_ints(node, "value_ints")) return {ops::add_ints(emitter, *ints)};
  if (node.attrs.count("value_int")) {
    const int64_t value = ops::onnx_int(node, "value_int", 0);
    return {emitter.add_constant(DType::kInt64, {}, std::as_bytes(std::span(&value, 1)))};
  }
  if (node.attrs.count("value_float")) {
    return {ops::add_scalar(emitter, DType::kFloat32, ops::onnx_float(node, "value_float", 0))};
  }
  if (auto it = node.attrs.find("value_floats"); it != node.attrs.end()) {
    const auto* doubles = std::get_if<std::vector<double>>(&it->second);
    if (!doubles) node.unsupported("attribute 'value_floats' has the wrong type");
    const std::vector<float> floats(doubles->begin(), doubles->end());
    return {emitter.add_constant(DType::kFloat32, {static_cast<int64_t>(floats.size())},
                                 std::as_bytes(std::span(floats)))};
  }
  node.unsupported("a constant without a supported value attribute");
}

}  // namespace op_identity

const OpDef& identity_op() {
  using namespace op_identity;
  static const OpDef op = {.name = "identity",
                           .onnx = {{"", "Identity", 1, &import_identity},
                                    {"", "Dropout", 7, &import_dropout},
                                    {"", "Constant", 1, &import_constant}},
                           .infer = &infer,
                           .reference = &reference,
                           .keeps_elements = true,
                           .dims = &ops::same_dims};
  return op;
}

}  // namespace ingot
