#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(sqrt_op, matches_onnx) {
  check_reference("sqrt", {}, {floats({2, 3}, {2.75, 1.75, 0.55000001, 0.25, 0.94999999, 2.75})},
                  {floats({2, 3}, {1.6583124, 1.3228756, 0.74161988, 0.5, 0.97467941, 1.6583124})});
}

}  // namespace ingot::test
