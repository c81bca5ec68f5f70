#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(max_op, matches_onnx) {
  check_reference(
      "max", {},
      {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5}), floats({3}, {1.5, -0.5, 2})},
      {floats({2, 3}, {1.5, -0.5, 2, 1.5, 0.69999999, 2.5})});
}
TEST(max_op, both_broadcast) {
  check_reference("max", {}, {floats({2, 1}, {2, -3}), floats({3}, {1.5, -0.5, 2})},
                  {floats({2, 3}, {2, 2, 2, 1.5, -0.5, 2})});
}

}  // namespace ingot::test
