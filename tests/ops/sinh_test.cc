#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(sinh_op, matches_onnx) {
  check_reference(
      "sinh", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {-6.0502043, -2.1292794, -0.30452031, 0, 0.75858366, 6.0502043})});
}

}  // namespace ingot::test
