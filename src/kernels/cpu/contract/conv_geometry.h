// Sizes of one convolution or pooling launch.
#pragma once

#include <vector>

#include "ops/contract/attrs.h"
#include "tensor/shape.h"

namespace ingot::cpu {

struct ConvGeometry {
  int64_t batch = 0, groups = 1, group_inputs = 0, group_outputs = 0;
  int64_t in_plane = 1, out_plane = 1, taps = 1;
  Shape in, out, kernel;  // spatial axes
  std::vector<int64_t> strides, pads, dilations;

  ConvGeometry() = default;
  // x[N, C, ..], w[M, C / groups, ..], y[N, M, ..]; attributes of ops/conv.cc.
  ConvGeometry(const Attrs& attrs, const Shape& x, const Shape& w, const Shape& y);
  // Pools: one plane at a time; `window` is the kernel.
  static ConvGeometry pool(const Attrs& attrs, const Shape& x, const Shape& y);

  // Offset in an input plane that tap `tap` of output pixel `pixel` reads; -1 in the padding.
  int64_t input_offset(int64_t pixel, int64_t tap) const {
    int64_t offset = 0, scale = 1;
    for (size_t d = in.size(); d-- > 0;) {
      const int64_t at = pixel % out[d] * strides[d] - pads[d] + tap % kernel[d] * dilations[d];
      if (at < 0 || at >= in[d]) return -1;
      offset += at * scale;
      scale *= in[d];
      pixel /= out[d];
      tap /= kernel[d];
    }
    return offset;
  }

 private:
  void set_window(const Attrs& attrs, const Shape& x, const Shape& y);
};

}  // namespace ingot::cpu
