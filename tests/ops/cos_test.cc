#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(cos_op, matches_onnx) {
  check_reference(
      "cos", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {-0.80114359, 0.070737198, 0.95533651, 1, 0.76484221, -0.80114359})});
}

}  // namespace ingot::test
