#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(hard_sigmoid_op, matches_onnx) {
  check_reference("hard_sigmoid", {{"alpha", 0.3}, {"beta", 0.4}},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({2, 3}, {0, 0, 0.31, 0.40000001, 0.61000001, 1})});
}

}  // namespace ingot::test
