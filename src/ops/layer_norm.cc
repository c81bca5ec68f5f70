// (x - mean) / sqrt(variance + epsilon) * scale + bias along the last axis (Ba et al., 2016), or
// over groups of its columns; scale and bias are optional vectors of the whole axis.
#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_layer_norm {

struct LayerNormAttrs {
  double epsilon = 1e-5;
  int64_t group = 0;  // columns that a norm covers; 0: all
  template <typename V>
  void fields(V& v) {
    v("epsilon", epsilon);
    v("group", group);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_float(args, 0);
  ops::require_min_rank(args, 0, 1);
  const auto attrs = read_attrs<LayerNormAttrs>(args.attrs, "ops/layer_norm");
  const Dim& columns = args.input(0).shape.back();
  const bool whole =
      attrs.group > 0 && columns.is_constant() && columns.constant() % attrs.group == 0;
  if (attrs.group < 0 || (attrs.group > 0 && !whole)) {
    args.bad(
        fmt::format("{} is not whole groups of {} columns", type_text(args.input(0)), attrs.group));
  }
  for (size_t i = 1; i < args.inputs.size(); ++i) {
    if (!args.inputs[i]) continue;
    ops::require_float(args, i);
    if (!(args.input(i).shape == SymShape{args.input(0).shape.back()})) {
      args.bad(fmt::format("input {} of shape {} does not fit {}", i,
                           shape_text(args.input(i).shape), shape_text(args.input(0).shape)));
    }
  }
  return {args.input(0)};
}

void reference(const OpArgs& args) {
  const TensorView& x = args.inputs[0];
  const auto a = read_attrs<LayerNormAttrs>(args.attrs, "ops/layer_norm");
  const int64_t columns = x.columns(), n = a.group > 0 ? a.group : columns;
  const ops::Elements<double> in(x), out(args.outputs[0]);
  std::vector<double> scale(static_cast<size_t>(columns), 1.0);
  std::vector<double> bias(static_cast<size_t>(columns), 0.0);
  if (args.inputs.size() > 1 && args.inputs[1].present()) {
    scale = ops::read_all<double>(args.inputs[1]);
  }
  if (args.inputs.size() > 2 && args.inputs[2].present()) {
    bias = ops::read_all<double>(args.inputs[2]);
  }
  const int64_t norms = n > 0 ? x.rows() * (columns / n) : 0;
  for (int64_t r = 0; r < norms; ++r) {
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < n; ++c) mean += in.get(r * n + c);
    mean /= static_cast<double>(n);
    for (int64_t c = 0; c < n; ++c) {
      variance += (in.get(r * n + c) - mean) * (in.get(r * n + c) - mean);
    }
    const double factor = 1 / std::sqrt(variance / static_cast<double>(n) + a.epsilon);
    for (int64_t c = 0; c < n; ++c) {
      const auto k = static_cast<size_t>((r * n + c) % columns);
      out.put(r * n + c, (in.get(r * n + c) - mean) * factor * scale[k] + bias[k]);
    }
  }
}

Dim product(const SymShape& shape, size_t begin, size_t end) {
  return element_count(SymShape(shape.begin() + static_cast<int64_t>(begin),
                                shape.begin() + static_cast<int64_t>(end)));
}

// Axes from `axis` on are flattened to one. The mean and 1 / deviation outputs, where wanted, are
// computed apart.
std::vector<int> import_layer_norm(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"axis", "epsilon", "stash_type"});
  if (ops::onnx_int(node, "stash_type", 1) != 1) node.unsupported("stash_type other than float");
  const int x = ops::onnx_required(node, 0);
  const SymShape shape = emitter.type(x).shape;
  const auto axis =
      static_cast<size_t>(ops::onnx_axis(node, ops::onnx_int(node, "axis", -1), shape.size()));
  const double epsilon = ops::onnx_float(node, "epsilon", 1e-5);
  const Dim width = product(shape, axis, shape.size());
  const auto flat = [&](int value) {
    if (value == kNoValue || emitter.type(value).shape == SymShape{width}) return value;
    const SymShape& own = emitter.type(value).shape;
    if (!(element_count(own) == width)) node.unsupported("a scale that is broadcast");
    return ops::emit_reshape(emitter, value, {width});
  };
  const bool last = axis + 1 == shape.size();
  const int rows = last ? x : ops::emit_reshape(emitter, x, {product(shape, 0, axis), width});
  const int scale = flat(ops::onnx_required(node, 1)), bias = flat(ops::onnx_input(node, 2));
  const int y = emitter.emit("layer_norm", {{"epsilon", epsilon}}, {rows, scale, bias});
  std::vector<int> out = {last ? y : ops::emit_reshape(emitter, y, shape)};
  if (node.outputs == 1) return out;
  std::vector<int64_t> axes;
  for (size_t d = axis; d < shape.size(); ++d) axes.push_back(static_cast<int64_t>(d));
  const Attrs reduce = {{"axes", axes}, {"keep_dims", true}};
  const int wide = ops::emit_cast(emitter, x, DType::kFloat32);
  const int mean = emitter.emit("reduce_mean", reduce, {wide});
  const int centered = emitter.emit("sub", {}, {wide, mean});
  const int square = emitter.emit("mul", {}, {centered, centered});
  const int variance = emitter.emit("reduce_mean", reduce, {square});
  const int shifted =
      emitter.emit("add", {}, {variance, ops::add_scalar_as(emitter, epsilon, variance)});
  out.push_back(mean);
  out.push_back(emitter.emit("reciprocal", {}, {emitter.emit("sqrt", {}, {shifted})}));
  out.resize(node.outputs, kNoValue);
  return out;
}

// Normalizes [N, groups, rest] and applies scale and bias per channel (axis 1 of x).
int emit_group_norm(const OnnxNode& node, OpEmitter& emitter, const Dim& groups,
                    bool scale_per_group) {
  const int x = ops::onnx_required(node, 0);
  const SymShape shape = emitter.type(x).shape;
  if (shape.size() < 2) node.unsupported("an input of rank below 2");
  const Dim rest = Dim::floor_div(product(shape, 1, shape.size()), groups);
  const int split = ops::emit_reshape(emitter, x, {shape[0], groups, rest});
  const int normal =
      emitter.emit("layer_norm", {{"epsilon", ops::onnx_float(node, "epsilon", 1e-5)}}, {split});
  const auto per_channel = [&](size_t input) {
    const int value = ops::onnx_required(node, input);
    return ops::emit_reshape(emitter, value, {scale_per_group ? groups : shape[1], Dim(1)});
  };
  const Dim inner = product(shape, 2, shape.size());
  const int lines =
      scale_per_group ? normal : ops::emit_reshape(emitter, normal, {shape[0], shape[1], inner});
  const int scaled = emitter.emit("mul", {}, {lines, per_channel(1)});
  const int shifted = emitter.emit("add", {}, {scaled, per_channel(2)});
  return ops::emit_reshape(emitter, shifted, shape);
}

std::vector<int> import_instance_norm(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"epsilon"});
  const SymShape shape = emitter.type(ops::onnx_required(node, 0)).shape;
  if (shape.size() < 3) node.unsupported("an input of rank below 3");
  return {emit_group_norm(node, emitter, shape[1], false)};
}
std::vector<int> import_group_norm(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"epsilon", "num_groups", "stash_type"});
  const int64_t groups = ops::onnx_int(node, "num_groups", 0);
  if (groups < 1) node.unsupported("num_groups");
  return {emit_group_norm(node, emitter, groups, node.opset < 21)};
}

}  // namespace op_layer_norm

const OpDef& layer_norm_op() {
  using namespace op_layer_norm;
  static const OpDef op = {.name = "layer_norm",
                           .onnx = {{"", "LayerNormalization", 17, &import_layer_norm},
                                    {"", "InstanceNormalization", 6, &import_instance_norm},
                                    {"", "GroupNormalization", 18, &import_group_norm}},
                           .infer = &infer,
                           .reference = &reference,
                           .row_strided = true};
  return op;
}

}  // namespace ingot
