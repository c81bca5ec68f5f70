#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(asin_op, matches_onnx) {
  check_reference(
      "asin", {}, {floats({2, 3}, {-0.625, -0.375, -0.075000003, 0, 0.175, 0.625})},
      {floats({2, 3}, {-0.67513162, -0.38439679, -0.075070493, 0, 0.17590576, 0.67513162})});
}

}  // namespace ingot::test
