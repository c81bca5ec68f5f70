#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(sign_op, matches_onnx) {
  check_reference("sign", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({2, 3}, {-1, -1, -1, 0, 1, 1})});
}
TEST(sign_op, integers) {
  check_reference("sign", {}, {longs({2, 3}, {-7, -1, 0, 2, 3, 9})},
                  {longs({2, 3}, {-1, -1, 0, 1, 1, 1})});
}

}  // namespace ingot::test
