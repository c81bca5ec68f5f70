#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(acos_op, matches_onnx) {
  check_reference(
      "acos", {}, {floats({2, 3}, {-0.625, -0.375, -0.075000003, 0, 0.175, 0.625})},
      {floats({2, 3}, {2.245928, 1.9551932, 1.6458669, 1.5707964, 1.3948905, 0.89566475})});
}

}  // namespace ingot::test
