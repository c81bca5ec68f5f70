#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(prelu_op, matches_onnx) {
  check_reference(
      "prelu", {},
      {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5}), floats({3}, {1.5, -0.5, 2})},
      {floats({2, 3}, {-3.75, 0.75, -0.60000002, 0, 0.69999999, 2.5})});
}

}  // namespace ingot::test
