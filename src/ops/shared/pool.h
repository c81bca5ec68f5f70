// What the pools share: attributes, inference, import.
#pragma once

#include "ops/shared/element.h"
#include "ops/shared/window.h"

namespace ingot::ops {

struct PoolAttrs {
  std::vector<int64_t> kernel, strides, pads, dilations;
  bool ceil_mode = false;
  template <typename V>
  void fields(V& v) {
    v("kernel", kernel);
    v("strides", strides);
    v("pads", pads);
    v("dilations", dilations);
    v("ceil_mode", ceil_mode);
  }
  WindowAttrs window() const { return {kernel, strides, pads, dilations}; }
};

// Shape of the pooled tensor; input 0 is [N, C, spatial..].
SymShape pool_shape(const InferArgs& args, const PoolAttrs& attrs);
// Fills kernel, strides, pads, dilations, ceil_mode from a node.
void onnx_pool(const OnnxNode& node, OpEmitter& emitter, PoolAttrs& attrs);

}  // namespace ingot::ops
