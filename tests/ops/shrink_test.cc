#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(shrink_op, matches_onnx) {
  check_reference("shrink", {{"bias", 0.1}, {"lambd", 1.0}},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({2, 3}, {-2.4000001, -1.4, 0, 0, 0, 2.4000001})});
}

}  // namespace ingot::test
