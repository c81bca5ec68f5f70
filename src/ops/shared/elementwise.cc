#include "ops/shared/elementwise.h"

namespace ingot::ops {

void require_types(const InferArgs& args, size_t index, Types types) {
  switch (types) {
    case Types::kFloat:
      return require_float(args, index);
    case Types::kNumeric:
      return require_numeric(args, index);
    case Types::kInteger:
      return require_integer(args, index);
    case Types::kBool:
      return require_bool(args, index);
    case Types::kAny:
      return require_scalar_type(args, index);
  }
}

template <typename T>
void unary_loop_of(const OpArgs& args, UnaryFn<T> f) {
  const Elements<T> x(args.inputs[0]), y(args.outputs[0]);
  const int64_t count = args.inputs[0].elements();
  for (int64_t i = 0; i < count; ++i) y.put(i, f(x.get(i)));
}
void unary_loop(const OpArgs& args, UnaryFn<double> on_double, UnaryFn<int64_t> on_int,
                UnaryFn<uint64_t> on_uint) {
  const DType dtype = args.inputs[0].type.dtype;
  if (is_float(dtype)) return unary_loop_of<double>(args, on_double);
  if (dtype == DType::kUInt64) return unary_loop_of<uint64_t>(args, on_uint);
  unary_loop_of<int64_t>(args, on_int);
}

template <typename T>
void binary_loop_of(const OpArgs& args, BinaryFn<T> f) {
  const Shape& shape = args.outputs[0].shape;
  const std::array<std::vector<int64_t>, 2> strides = {
      broadcast_strides(args.inputs[0].shape, shape),
      broadcast_strides(args.inputs[1].shape, shape)};
  const Elements<T> a(args.inputs[0]), b(args.inputs[1]), y(args.outputs[0]);
  walk(shape, strides, [&](int64_t i, const std::array<int64_t, 2>& at) {
    y.put(i, f(a.get(at[0]), b.get(at[1])));
  });
}
void binary_loop(const OpArgs& args, BinaryFn<double> on_double, BinaryFn<int64_t> on_int,
                 BinaryFn<uint64_t> on_uint) {
  const DType dtype = args.inputs[0].type.dtype;
  if (is_float(dtype)) return binary_loop_of<double>(args, on_double);
  if (dtype == DType::kUInt64) return binary_loop_of<uint64_t>(args, on_uint);
  binary_loop_of<int64_t>(args, on_int);
}

}  // namespace ingot::ops
