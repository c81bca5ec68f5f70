// y = (x - zero_point) * scale, in scale's type; see quantize_linear.cc for scale and zero_point.
#include "ops/shared/onnx_import.h"
#include "ops/shared/quantized_axis.h"

namespace ingot {
namespace op_dequantize_linear {

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_integer(args, 0);
  ops::require_float(args, 1);
  const auto a = read_attrs<ops::QuantizedAxisAttrs>(args.attrs, "ops/dequantize_linear");
  ops::check_quantized_axis(args, a);
  const auto dtype = parse_dtype(a.dtype);
  if (!dtype || !is_float(*dtype)) args.bad("type " + a.dtype);
  return {{*dtype, args.input(0).shape}};
}

void reference(const OpArgs& args) {
  const TensorView& x = args.inputs[0];
  const auto a = read_attrs<ops::QuantizedAxisAttrs>(args.attrs, "ops/dequantize_linear");
  const ops::Elements<double> scale(args.inputs[1]), out(args.outputs[0]);
  const ops::Elements<int64_t> in(x);
  const bool has_zero = args.inputs.size() > 2 && args.inputs[2].present();
  const ops::QuantizedAxis where(x.shape, args.inputs[1].shape, a);
  for (int64_t i = 0; i < x.elements(); ++i) {
    const int64_t at = where.scale_index(i);
    const int64_t zero = has_zero ? load_index(args.inputs[2], at) : 0;
    out.put(i, static_cast<double>(in.get(i) - zero) * scale.get(at));
  }
}

std::vector<int> import_dequantize(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"axis", "block_size", "output_dtype"});
  ops::QuantizedAxisAttrs a;
  a.axis = ops::onnx_int(node, "axis", 1);
  a.block = ops::onnx_int(node, "block_size", 0);
  const int scale = ops::onnx_required(node, 1);
  const int64_t type = ops::onnx_int(node, "output_dtype", 0);
  const auto dtype =
      type == 0 ? std::optional(emitter.type(scale).element.dtype) : ops::onnx_dtype(type);
  if (!dtype) node.unsupported(fmt::format("output type {}", type));
  a.dtype = dtype_name(*dtype);
  return {emitter.emit("dequantize_linear", write_attrs(a),
                       {ops::onnx_required(node, 0), scale, ops::onnx_input(node, 2)})};
}

}  // namespace op_dequantize_linear

const OpDef& dequantize_linear_op() {
  using namespace op_dequantize_linear;
  static const OpDef op = {.name = "dequantize_linear",
                           .onnx = {{"", "DequantizeLinear", 10, &import_dequantize}},
                           .infer = &infer,
                           .reference = &reference};
  return op;
}

}  // namespace ingot
