#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(softsign_op, matches_onnx) {
  check_reference(
      "softsign", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {-0.71428573, -0.60000002, -0.23076925, 0, 0.41176468, 0.71428573})});
}

}  // namespace ingot::test
