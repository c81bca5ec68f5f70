#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(softplus_op, matches_onnx) {
  check_reference(
      "softplus", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {0.078889735, 0.20141329, 0.55435526, 0.69314718, 1.103186, 2.5788898})});
}

}  // namespace ingot::test
