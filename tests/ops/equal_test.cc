#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(equal_op, matches_onnx) {
  check_reference("equal", {}, {longs({2, 3}, {-7, -1, 0, 2, 3, 9}), longs({3}, {2, -1, 0})},
                  {bools({2, 3}, {0, 1, 1, 1, 0, 0})});
}

}  // namespace ingot::test
