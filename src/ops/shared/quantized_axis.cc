#include "ops/shared/quantized_axis.h"

namespace ingot::ops {

void check_quantized_axis(const InferArgs& args, const QuantizedAxisAttrs& attrs) {
  require_float(args, 1);
  const SymShape &x = args.input(0).shape, &scale = args.input(1).shape;
  if (args.inputs.size() > 2 && args.inputs[2]) {
    require_integer(args, 2);
    if (!(args.inputs[2]->shape == scale)) args.bad("zero point and scale differ in shape");
  }
  if (element_count(scale) == Dim(1) && attrs.block == 0) return;
  const auto axis = static_cast<size_t>(normalize_axis(args, attrs.axis, x.size()));
  if (attrs.block == 0) {
    if (!(scale == SymShape{x[axis]})) {
      args.bad(fmt::format("scale {} does not fit axis {} of {}", shape_text(scale), axis,
                           shape_text(x)));
    }
    return;
  }
  SymShape blocks = x;
  if (attrs.block < 0 || !x[axis].is_constant()) args.bad("block_size");
  blocks[axis] = Dim::ceil_div(x[axis], Dim(attrs.block));
  if (!(scale == blocks)) {
    args.bad(fmt::format("scale {} does not fit blocks {}", shape_text(scale), shape_text(blocks)));
  }
}

QuantizedAxis::QuantizedAxis(const Shape& data, const Shape& scale, const QuantizedAxisAttrs& attrs)
    : block_(attrs.block),
      scale_length_(1),
      scalar_(attrs.block == 0 && element_count(scale) == 1) {
  if (scalar_) return;
  const int64_t axis = wrap_axis(attrs.axis, data.size());
  split_ = split_at(data, axis);
  scale_length_ = block_ ? scale[static_cast<size_t>(axis)] : split_.length;
}

int64_t QuantizedAxis::scale_index(int64_t element) const {
  if (scalar_) return 0;
  const int64_t position = element / split_.inner % split_.length;
  if (block_ == 0) return position;
  const int64_t outer = element / split_.inner / split_.length;
  return (outer * scale_length_ + position / block_) * split_.inner + element % split_.inner;
}

}  // namespace ingot::ops
