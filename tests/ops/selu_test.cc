#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(selu_op, matches_onnx) {
  check_reference(
      "selu", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {-1.6137859, -1.3658143, -0.45566735, 0, 0.73549068, 2.6267526})});
}

}  // namespace ingot::test
