// y = saturate(round(x / scale) + zero_point), halves to even. scale and zero_point are scalars,
// one per index of `axis`, or with block_size one per block along it.
#include <algorithm>

#include "ops/shared/onnx_import.h"
#include "ops/shared/quantized_axis.h"

namespace ingot {
namespace op_quantize_linear {

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_float(args, 0);
  const auto a = read_attrs<ops::QuantizedAxisAttrs>(args.attrs, "ops/quantize_linear");
  ops::check_quantized_axis(args, a);
  const auto dtype = parse_dtype(a.dtype);
  const bool known = dtype == DType::kInt8 || dtype == DType::kUInt8 || dtype == DType::kInt16 ||
                     dtype == DType::kUInt16;
  if (!known) args.bad(fmt::format("type {}: expected int8, uint8, int16 or uint16", a.dtype));
  return {{*dtype, args.input(0).shape}};
}

std::pair<double, double> limits(DType dtype) {
  switch (dtype) {
    case DType::kInt8:
      return {-128, 127};
    case DType::kUInt8:
      return {0, 255};
    case DType::kInt16:
      return {-32768, 32767};
    default:
      return {0, 65535};
  }
}

void reference(const OpArgs& args) {
  const TensorView &x = args.inputs[0], &y = args.outputs[0];
  const auto a = read_attrs<ops::QuantizedAxisAttrs>(args.attrs, "ops/quantize_linear");
  const auto [low, high] = limits(y.type.dtype);
  const ops::Elements<double> in(x), scale(args.inputs[1]), out(y);
  const bool has_zero = args.inputs.size() > 2 && args.inputs[2].present();
  const ops::QuantizedAxis where(x.shape, args.inputs[1].shape, a);
  for (int64_t i = 0; i < x.elements(); ++i) {
    const int64_t at = where.scale_index(i);
    const double zero = has_zero ? static_cast<double>(load_index(args.inputs[2], at)) : 0.0;
    // The quotient is a float32, as the operator defines it.
    const auto quotient = static_cast<float>(in.get(i)) / static_cast<float>(scale.get(at));
    out.put(i, std::clamp(std::nearbyint(static_cast<double>(quotient)) + zero, low, high));
  }
}

std::vector<int> import_quantize(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"axis", "saturate", "block_size", "output_dtype", "precision"});
  ops::QuantizedAxisAttrs a;
  a.axis = ops::onnx_int(node, "axis", 1);
  a.block = ops::onnx_int(node, "block_size", 0);
  const int zero = ops::onnx_input(node, 2);
  const int64_t type = ops::onnx_int(node, "output_dtype", 0);
  DType dtype = DType::kUInt8;
  if (zero != kNoValue) {
    dtype = emitter.type(zero).element.dtype;
  } else if (type != 0) {
    const auto named = ops::onnx_dtype(type);
    if (!named) node.unsupported(fmt::format("output type {}", type));
    dtype = *named;
  }
  a.dtype = dtype_name(dtype);
  return {emitter.emit("quantize_linear", write_attrs(a),
                       {ops::onnx_required(node, 0), ops::onnx_required(node, 1), zero})};
}

}  // namespace op_quantize_linear

const OpDef& quantize_linear_op() {
  using namespace op_quantize_linear;
  static const OpDef op = {.name = "quantize_linear",
                           .onnx = {{"", "QuantizeLinear", 10, &import_quantize}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
