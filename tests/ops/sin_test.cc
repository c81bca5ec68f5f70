#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(sin_op, matches_onnx) {
  check_reference(
      "sin", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {-0.59847218, -0.997495, -0.29552022, 0, 0.64421767, 0.59847218})});
}

}  // namespace ingot::test
