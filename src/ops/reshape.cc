// The same elements under another shape. Attribute shape: dimensions as text, symbols allowed.
#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_reshape {

struct ReshapeAttrs {
  std::vector<std::string> shape;
  template <typename V>
  void fields(V& v) {
    v("shape", shape);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_scalar_type(args, 0);
  SymShape shape;
  for (const std::string& dim : read_attrs<ReshapeAttrs>(args.attrs, "ops/reshape").shape) {
    shape.push_back(Dim::parse(dim));
    if (shape.back().is_constant() && shape.back().constant() < 0) args.bad("negative dimension");
  }
  const Dim from = element_count(args.input(0).shape), to = element_count(shape);
  if (from.is_constant() && to.is_constant() && !(from == to)) {
    args.bad(fmt::format("{} has {} elements, {} has {}", shape_text(args.input(0).shape),
                         from.text(), shape_text(shape), to.text()));
  }
  return {{args.input(0).element, shape}};
}

void reference(const OpArgs& args) { ops::copy_elements(args.inputs[0], args.outputs[0]); }

std::vector<int> import_reshape(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"allowzero"});
  const int x = ops::onnx_required(node, 0);
  const SymShape& from = emitter.type(x).shape;
  SymShape shape = ops::onnx_shape_input(node, emitter, 1, "shape");
  const bool allow_zero = ops::onnx_int(node, "allowzero", 0) != 0;
  Dim known = 1, rest = element_count(from);
  size_t unknown = shape.size();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == Dim(0) && !allow_zero) {
      if (i >= from.size()) node.unsupported("shape has a 0 past the input's rank");
      shape[i] = from[i];
    }
    if (shape[i] == Dim(-1)) {
      if (unknown != shape.size()) node.unsupported("shape has two -1");
      unknown = i;
    } else {
      known = known * shape[i];
    }
  }
  if (unknown != shape.size()) {
    if (known == Dim(0)) node.unsupported("shape has -1 beside 0");
    shape[unknown] = Dim::floor_div(rest, known);
  }
  return {ops::emit_reshape(emitter, x, shape)};
}

std::vector<int> import_flatten(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"axis"});
  const int x = ops::onnx_required(node, 0);
  const SymShape& from = emitter.type(x).shape;
  int64_t axis = ops::onnx_int(node, "axis", 1);
  const auto rank = static_cast<int64_t>(from.size());
  if (axis < -rank || axis > rank) node.unsupported(fmt::format("axis {} of rank {}", axis, rank));
  if (axis < 0) axis += rank;
  const SymShape shape = {element_count(SymShape(from.begin(), from.begin() + axis)),
                          element_count(SymShape(from.begin() + axis, from.end()))};
  return {ops::emit_reshape(emitter, x, shape)};
}

// axes: an attribute up to opset 12, an input since 13; import_squeeze sees both.
std::optional<std::vector<int64_t>> axes_of(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"axes"});
  if (auto axes = ops::onnx_ints(node, "axes")) return axes;
  return ops::onnx_constant_ints(node, emitter, 1, "axes");
}

std::vector<int> import_squeeze(const OnnxNode& node, OpEmitter& emitter) {
  const int x = ops::onnx_required(node, 0);
  const SymShape& from = emitter.type(x).shape;
  std::vector<bool> drop(from.size(), false);
  if (auto axes = axes_of(node, emitter)) {
    for (int64_t axis : *axes) {
      const auto at = static_cast<size_t>(ops::onnx_axis(node, axis, from.size()));
      if (from[at].is_constant() && !(from[at] == Dim(1))) {
        node.unsupported(fmt::format("axis {} of {} is not 1", axis, shape_text(from)));
      }
      drop[at] = true;
    }
  } else {
    for (size_t i = 0; i < from.size(); ++i) drop[i] = from[i] == Dim(1);
  }
  SymShape shape;
  for (size_t i = 0; i < from.size(); ++i) {
    if (!drop[i]) shape.push_back(from[i]);
  }
  return {ops::emit_reshape(emitter, x, shape)};
}

std::vector<int> import_unsqueeze(const OnnxNode& node, OpEmitter& emitter) {
  const int x = ops::onnx_required(node, 0);
  const SymShape& from = emitter.type(x).shape;
  const auto axes = axes_of(node, emitter);
  if (!axes) node.unsupported("axes are missing");
  std::vector<bool> fresh(from.size() + axes->size(), false);
  for (int64_t axis : *axes) {
    const auto at = static_cast<size_t>(ops::onnx_axis(node, axis, fresh.size()));
    if (fresh[at]) node.unsupported(fmt::format("axis {} is given twice", axis));
    fresh[at] = true;
  }
  SymShape shape;
  size_t next = 0;
  for (bool one : fresh) shape.push_back(one ? Dim(1) : from[next++]);
  return {ops::emit_reshape(emitter, x, shape)};
}

}  // namespace op_reshape

const OpDef& reshape_op() {
  using namespace op_reshape;
  static const OpDef op = {.name = "reshape",
                           .onnx = {{"", "Reshape", 5, &import_reshape},
                                    {"", "Flatten", 1, &import_flatten},
                                    {"", "Squeeze", 1, &import_squeeze},
                                    {"", "Unsqueeze", 1, &import_unsqueeze}},
                           .infer = &infer,
                           .reference = &reference,
                           .keeps_elements = true,
                           .dims = &ops::same_dims};
  return op;
}

}  // namespace ingot
