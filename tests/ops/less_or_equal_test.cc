#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(less_or_equal_op, matches_onnx) {
  check_reference("less_or_equal", {},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5}), floats({}, {0})},
                  {bools({2, 3}, {1, 1, 1, 1, 0, 0})});
}

}  // namespace ingot::test
