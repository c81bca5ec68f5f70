// Where an element's scale is: one for all, one per index of an axis, or one per block along it.
#pragma once

#include "ops/shared/element.h"
#include "ops/shared/shape.h"

namespace ingot::ops {

struct QuantizedAxisAttrs {
  int64_t axis = 1;
  int64_t block = 0;  // elements of the axis that share a scale; 0: no blocks
  std::string dtype = "float32";
  template <typename V>
  void fields(V& v) {
    v("axis", axis);
    v("block", block);
    v("dtype", dtype);
  }
};

// Inputs: 0 data, 1 scale, 2 optional zero point of the scale's shape.
void check_quantized_axis(const InferArgs& args, const QuantizedAxisAttrs& attrs);

class QuantizedAxis {
 public:
  QuantizedAxis(const Shape& data, const Shape& scale, const QuantizedAxisAttrs& attrs);
  int64_t scale_index(int64_t element) const;

 private:
  AxisSplit split_;
  int64_t block_;         // 0: no blocks
  int64_t scale_length_;  // along the axis
  bool scalar_;
};

}  // namespace ingot::ops
