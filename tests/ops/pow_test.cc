#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(pow_op, matches_onnx) {
  check_reference("pow", {},
                  {floats({2, 3}, {3, 2, 0.80000001, 0.5, 1.2, 3}), floats({3}, {1.5, -0.5, 2})},
                  {floats({2, 3}, {5.1961527, 0.70710677, 0.63999999, 0.35355338, 0.91287094, 9})});
}
TEST(pow_op, integers) {
  check_reference("pow", {}, {longs({2, 3}, {-7, -1, 0, 2, 3, 9}), longs({}, {3})},
                  {longs({2, 3}, {-343, -1, 0, 8, 27, 729})});
}

}  // namespace ingot::test
