// Limits values to [min, max]; inputs: x, optional scalar min, optional scalar max.
#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_clip {

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_numeric(args, 0);
  for (size_t i = 1; i < args.inputs.size(); ++i) {
    if (!args.inputs[i]) continue;
    ops::require_same_type(args, 0, i);
    if (!(element_count(args.input(i).shape) == Dim(1))) {
      args.bad(fmt::format("limit {} must be a scalar", shape_text(args.input(i).shape)));
    }
  }
  return {args.input(0)};
}

void reference(const OpArgs& args) {
  ops::with_compute_type(args.inputs[0].type.dtype, [&](auto tag) {
    using T = decltype(tag);
    const ops::Elements<T> x(args.inputs[0]);
    const ops::Elements<T> y(args.outputs[0]);
    const auto limit = [&](size_t i, T& to) {
      const bool present = i < args.inputs.size() && args.inputs[i].present();
      if (present) to = ops::Elements<T>(args.inputs[i]).get(0);
      return present;
    };
    T low{}, high{};
    const bool has_low = limit(1, low), has_high = limit(2, high);
    for (int64_t i = 0; i < args.inputs[0].elements(); ++i) {
      T value = x.get(i);
      if (has_low && value < low) value = low;
      if (has_high && value > high) value = high;
      y.put(i, value);
    }
  });
}

std::vector<int> import_11(const OnnxNode& node, OpEmitter& emitter) {
  return {emitter.emit(
      "clip", {},
      {ops::onnx_required(node, 0), ops::onnx_input(node, 1), ops::onnx_input(node, 2)})};
}
// Limits as attributes.
std::vector<int> import_6(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"min", "max"});
  const int x = ops::onnx_required(node, 0);
  const auto limit = [&](std::string_view name) {
    return node.attrs.count(name) ? ops::add_scalar_as(emitter, ops::onnx_float(node, name, 0), x)
                                  : kNoValue;
  };
  const int low = limit("min"), high = limit("max");
  return {emitter.emit("clip", {}, {x, low, high})};
}

}  // namespace op_clip

const OpDef& clip_op() {
  using namespace op_clip;
  static const OpDef op = {.name = "clip",
                           .onnx = {{"", "Clip", 6, &import_6}, {"", "Clip", 11, &import_11}},
                           .infer = &infer,
                           .reference = &reference,
                           .row_strided = true};
  return op;
}

}  // namespace ingot
