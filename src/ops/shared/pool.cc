#include "ops/shared/pool.h"

namespace ingot::ops {

SymShape pool_shape(const InferArgs& args, const PoolAttrs& attrs) {
  require_min_rank(args, 0, 3);
  const SymShape& x = args.input(0).shape;
  const WindowAttrs window = checked_window(args, attrs.window(), x.size() - 2);
  SymShape shape = {x[0], x[1]};
  for (size_t d = 0; d + 2 < x.size(); ++d) {
    shape.push_back(window_count(args, window, d, x[d + 2], attrs.ceil_mode));
  }
  return shape;
}

void onnx_pool(const OnnxNode& node, OpEmitter& emitter, PoolAttrs& attrs) {
  const auto kernel = onnx_ints(node, "kernel_shape");
  if (!kernel) node.unsupported("kernel_shape is missing");
  const WindowAttrs window = onnx_window(node, emitter.type(onnx_required(node, 0)).shape, *kernel);
  attrs.kernel = window.kernel;
  attrs.strides = window.strides;
  attrs.pads = window.pads;
  attrs.dilations = window.dilations;
  attrs.ceil_mode = onnx_int(node, "ceil_mode", 0) != 0;
}

}  // namespace ingot::ops
