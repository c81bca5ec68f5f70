#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(hard_swish_op, matches_onnx) {
  check_reference("hard_swish", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({2, 3}, {-0.20833328, -0.375, -0.13500001, 0, 0.43166667, 2.2916667})});
}

}  // namespace ingot::test
