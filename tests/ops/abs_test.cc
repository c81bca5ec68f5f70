#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(abs_op, matches_onnx) {
  check_reference("abs", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({2, 3}, {2.5, 1.5, 0.30000001, 0, 0.69999999, 2.5})});
}
TEST(abs_op, integers) {
  check_reference("abs", {}, {longs({2, 3}, {-7, -1, 0, 2, 3, 9})},
                  {longs({2, 3}, {7, 1, 0, 2, 3, 9})});
}

}  // namespace ingot::test
