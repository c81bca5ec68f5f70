#include <cmath>

#include "ops/contract/op_def.h"
#include "ops/shared/onnx_import.h"

namespace ingot {
namespace op_rms_norm {

struct RmsNormAttrs {
  double epsilon = 1e-5;
  double weight_offset = 0;  // added to the weights in float32
  int64_t group = 0;         // columns that a norm covers; 0: all
  template <typename V>
  void fields(V& v) {
    v("epsilon", epsilon);
    v("weight_offset", weight_offset);
    v("group", group);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  const auto attrs = read_attrs<RmsNormAttrs>(args.attrs, "ops/rms_norm");
  const ValueType& x = args.input(0);
  const ValueType& w = args.input(1);
  const bool whole = attrs.group > 0 && !x.shape.empty() && x.shape.back().is_constant() &&
                     x.shape.back().constant() % attrs.group == 0;
  if (attrs.group < 0 || (attrs.group > 0 && !whole)) {
    args.bad(fmt::format("{} is not whole groups of {} columns", type_text(x), attrs.group));
  }
  if (x.shape.empty() || w.shape.size() != 1 ||
      !(w.shape[0] == (whole ? Dim(attrs.group) : x.shape.back()))) {
    args.bad(fmt::format("weight {} does not fit input {}", type_text(w), type_text(x)));
  }
  return {x};
}

void reference(const OpArgs& args) {
  const auto attrs = read_attrs<RmsNormAttrs>(args.attrs, "ops/rms_norm");
  const TensorView& x = args.inputs[0];
  const int64_t n = attrs.group > 0 ? attrs.group : x.columns();
  std::vector<float> row(static_cast<size_t>(n));
  std::vector<float> weight(static_cast<size_t>(n));
  load_row(args.inputs[1], 0, 0, n, weight.data());
  for (float& w : weight) w += static_cast<float>(attrs.weight_offset);
  for (int64_t r = 0; r < x.rows(); ++r) {
    for (int64_t first = 0; first < x.columns(); first += n) {
      load_row(x, r, first, n, row.data());
      double sum = 0;
      for (float v : row) sum += static_cast<double>(v) * v;
      const auto scale =
          static_cast<float>(1.0 / std::sqrt(sum / static_cast<double>(n) + attrs.epsilon));
      for (int64_t c = 0; c < n; ++c) {
        row[static_cast<size_t>(c)] *= scale * weight[static_cast<size_t>(c)];
      }
      store_row(args.outputs[0], r, first, n, row.data());
    }
  }
}

// Axes from `axis` on are flattened to one; a scale of another shape is applied apart.
std::vector<int> import_rms_norm(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"axis", "epsilon", "stash_type"});
  if (ops::onnx_int(node, "stash_type", 1) != 1) node.unsupported("stash_type other than float");
  const int x = ops::onnx_required(node, 0), scale = ops::onnx_required(node, 1);
  const SymShape shape = emitter.type(x).shape;
  const int64_t axis = ops::onnx_axis(node, ops::onnx_int(node, "axis", -1), shape.size());
  const Dim width = element_count(SymShape(shape.begin() + axis, shape.end()));
  const Attrs attrs = {{"epsilon", ops::onnx_float(node, "epsilon", 1e-5)}};
  if (emitter.type(scale).shape == SymShape{width} &&
      axis + 1 == static_cast<int64_t>(shape.size())) {
    return {emitter.emit("rms_norm", attrs, {x, scale})};
  }
  if (!width.is_constant()) node.unsupported("a symbolic normalized size");
  const Dim rows = element_count(SymShape(shape.begin(), shape.begin() + axis));
  const int flat = ops::emit_reshape(emitter, x, {rows, width});
  if (element_count(emitter.type(scale).shape) == width) {
    const int weight = ops::emit_reshape(emitter, scale, {width});
    return {ops::emit_reshape(emitter, emitter.emit("rms_norm", attrs, {flat, weight}), shape)};
  }
  const int one = ops::add_scalar_as(emitter, 1, scale);
  const int ones = emitter.emit("expand", {{"shape", ops::dims_text({width})}}, {one});
  const int normal = emitter.emit("rms_norm", attrs, {flat, ones});
  return {emitter.emit("mul", {}, {ops::emit_reshape(emitter, normal, shape), scale})};
}

}  // namespace op_rms_norm

// y = x / sqrt(mean(x^2) + epsilon) * (weight_offset + weight) along the last axis (Zhang &
// Sennrich, 2019), or along each `group` columns of it with the same weights: norms of heads.
const OpDef& rms_norm_op() {
  using namespace op_rms_norm;
  static const OpDef op = {.name = "rms_norm",
                           .onnx = {{"", "RMSNormalization", 23, &import_rms_norm}},
                           .infer = infer,
                           .reference = reference,
                           .row_strided = true};
  return op;
}

}  // namespace ingot
