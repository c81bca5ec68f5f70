// Sliding windows over spatial axes: what convolutions and pools share.
#pragma once

#include <algorithm>

#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot::ops {

// One entry per spatial axis; pads holds all begins, then all ends. Empty lists mean 1 (0 for
// pads).
struct WindowAttrs {
  std::vector<int64_t> kernel;
  std::vector<int64_t> strides;
  std::vector<int64_t> pads;
  std::vector<int64_t> dilations;
};

// Fills defaults and checks lengths and ranges (sizes below 2^31, strides and dilations >= 1, pads
// >= 0); Error{kInvalidArgument} naming the op.
WindowAttrs checked_window(const InferArgs& args, WindowAttrs window, size_t spatial);
// For references: defaults alone.
WindowAttrs with_defaults(WindowAttrs window, size_t spatial);

// Positions of a window along an input dimension; ceil adds a last partial one if it starts inside
// the input or its left padding. Error when constant and below 1.
Dim window_count(const InferArgs& args, const WindowAttrs& window, size_t axis, const Dim& input,
                 bool ceil);

// auto_pad resolved to pads: SAME_* needs constant spatial dimensions. kernel must be filled.
std::vector<int64_t> onnx_pads(const OnnxNode& node, const WindowAttrs& window,
                               const SymShape& input);
// Reads strides, dilations and pads of a node with auto_pad resolved; `kernel` is the window's
// size.
WindowAttrs onnx_window(const OnnxNode& node, const SymShape& input, std::vector<int64_t> kernel);

// Calls f(tap, input_offset) for each tap of a window at output position `at` that lies inside the
// input; offsets are elements of the spatial block.
template <typename F>
void for_each_tap(const WindowAttrs& w, const Shape& spatial, const Shape& at, F&& f) {
  const size_t rank = spatial.size();
  std::vector<int64_t> first(rank), end(rank), index(rank), begin(rank);
  for (size_t d = 0; d < rank; ++d) {
    begin[d] = at[d] * w.strides[d] - w.pads[d];
    // Taps before 0 and past the last element are outside.
    first[d] = begin[d] >= 0 ? 0 : (-begin[d] + w.dilations[d] - 1) / w.dilations[d];
    const int64_t room = spatial[d] - begin[d];
    end[d] = room <= 0 ? 0 : std::min(w.kernel[d], (room - 1) / w.dilations[d] + 1);
    if (first[d] >= end[d]) return;
    index[d] = first[d];
  }
  while (true) {
    int64_t offset = 0, tap = 0;
    for (size_t d = 0; d < rank; ++d) {
      offset = offset * spatial[d] + begin[d] + index[d] * w.dilations[d];
      tap = tap * w.kernel[d] + index[d];
    }
    f(tap, offset);
    size_t d = rank;
    for (; d > 0; --d) {
      if (++index[d - 1] < end[d - 1]) break;
      index[d - 1] = first[d - 1];
    }
    if (d == 0) return;
  }
}

// Visits every index of a shape in row-major order.
template <typename F>
void for_each_index(const Shape& shape, F&& f) {
  Shape index(shape.size(), 0);
  const int64_t count = element_count(shape);
  for (int64_t i = 0; i < count; ++i) {
    f(i, index);
    for (size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
}

}  // namespace ingot::ops
