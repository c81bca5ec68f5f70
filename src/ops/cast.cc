// Conversion between scalar types. Floats to integers truncate; to bool compares with zero.
#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_cast {

struct CastAttrs {
  std::string to = "float32";
  template <typename V>
  void fields(V& v) {
    v("to", to);
  }
};

DType target(const Attrs& attrs) {
  const std::string to = read_attrs<CastAttrs>(attrs, "ops/cast").to;
  const auto dtype = parse_dtype(to);
  if (!dtype) fail(ErrorCode::kUnsupported, "ops/cast", "unknown type '{}'", to);
  return *dtype;
}

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_scalar_type(args, 0);
  return {{target(args.attrs), args.input(0).shape}};
}

void reference(const OpArgs& args) {
  ops::with_compute_type(args.inputs[0].type.dtype, [&](auto tag) {
    using T = decltype(tag);
    const ops::Elements<T> x(args.inputs[0]);
    const ops::Elements<T> y(args.outputs[0]);
    for (int64_t i = 0; i < args.inputs[0].elements(); ++i) y.put(i, x.get(i));
  });
}

std::vector<int> import_cast(const OnnxNode& node, OpEmitter& emitter) {
  // saturate and round_mode only concern the 8-bit float types, which are refused below.
  ops::onnx_allow_attrs(node, {"to", "saturate", "round_mode"});
  const int64_t type = ops::onnx_int(node, "to", 0);
  const auto dtype = ops::onnx_dtype(type);
  if (!dtype) node.unsupported(fmt::format("cast to ONNX type {}", type));
  return {ops::emit_cast(emitter, ops::onnx_required(node, 0), *dtype)};
}

std::vector<int> import_cast_like(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"saturate", "round_mode"});
  const DType to = emitter.type(ops::onnx_required(node, 1)).element.dtype;
  return {ops::emit_cast(emitter, ops::onnx_required(node, 0), to)};
}

}  // namespace op_cast

const OpDef& cast_op() {
  using namespace op_cast;
  static const OpDef op = {
      .name = "cast",
      .onnx = {{"", "Cast", 6, &import_cast}, {"", "CastLike", 15, &import_cast_like}},
      .infer = &infer,
      .reference = &reference,
      .keeps_elements = true,
      .dims = &ops::same_dims};
  return op;
}

}  // namespace ingot
