// base^exponent with broadcasting; the result has the base's type, the exponent may have another.
#include "ops/shared/elementwise.h"

namespace ingot {
namespace op_pow {

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_numeric(args, 0);
  ops::require_numeric(args, 1);
  const SymShape shapes[] = {args.input(0).shape, args.input(1).shape};
  return {{args.input(0).element, ops::broadcast_shapes(args, shapes)}};
}

// Integer power by squaring, wrapping; a negative exponent gives what division would truncate to.
int64_t int_pow(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  uint64_t result = 1, factor = static_cast<uint64_t>(base);
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2) result *= factor;
    factor *= factor;
  }
  return static_cast<int64_t>(result);
}

void reference(const OpArgs& args) {
  const TensorView &a = args.inputs[0], &b = args.inputs[1], &y = args.outputs[0];
  const std::array<std::vector<int64_t>, 2> strides = {ops::broadcast_strides(a.shape, y.shape),
                                                       ops::broadcast_strides(b.shape, y.shape)};
  if (!is_float(a.type.dtype) && !is_float(b.type.dtype)) {
    const ops::Elements<int64_t> base(a), exponent(b), out(y);
    ops::walk(y.shape, strides, [&](int64_t i, const std::array<int64_t, 2>& at) {
      out.put(i, int_pow(base.get(at[0]), exponent.get(at[1])));
    });
    return;
  }
  const ops::Elements<double> base(a), exponent(b), out(y);
  ops::walk(y.shape, strides, [&](int64_t i, const std::array<int64_t, 2>& at) {
    out.put(i, std::pow(base.get(at[0]), exponent.get(at[1])));
  });
}

std::vector<int> import_pow(const OnnxNode& node, OpEmitter& emitter) {
  return {emitter.emit("pow", {}, {ops::onnx_required(node, 0), ops::onnx_required(node, 1)})};
}

}  // namespace op_pow

const OpDef& pow_op() {
  using namespace op_pow;
  static const OpDef op = {.name = "pow",
                           .onnx = {{"", "Pow", 7, &import_pow}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
