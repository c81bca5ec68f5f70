#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(atanh_op, matches_onnx) {
  check_reference(
      "atanh", {}, {floats({2, 3}, {-0.625, -0.375, -0.075000003, 0, 0.175, 0.625})},
      {floats({2, 3}, {-0.73316854, -0.39422867, -0.075141102, 0, 0.17682001, 0.73316854})});
}

}  // namespace ingot::test
