#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(asinh_op, matches_onnx) {
  check_reference(
      "asinh", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {-1.6472311, -1.1947632, -0.29567307, 0, 0.65266657, 1.6472311})});
}

}  // namespace ingot::test
