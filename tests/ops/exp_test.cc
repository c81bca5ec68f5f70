#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(exp_op, matches_onnx) {
  check_reference("exp", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({2, 3}, {0.082085006, 0.22313015, 0.7408182, 1, 2.0137527, 12.182493})});
}

}  // namespace ingot::test
