#include "ops/shared/arg_reduce.h"

namespace ingot::ops {

std::vector<ValueType> arg_infer(const InferArgs& args) {
  require_numeric(args, 0);
  const auto attrs = read_attrs<ArgAttrs>(args.attrs, args.op);
  SymShape shape = args.input(0).shape;
  const int64_t axis = normalize_axis(args, attrs.axis, shape.size());
  if (shape[static_cast<size_t>(axis)] == Dim(0)) args.bad("the axis is empty");
  if (attrs.keepdims) {
    shape[static_cast<size_t>(axis)] = 1;
  } else {
    shape.erase(shape.begin() + axis);
  }
  return {{DType::kInt64, shape}};
}

}  // namespace ingot::ops
