#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(reciprocal_op, matches_onnx) {
  check_reference("reciprocal", {},
                  {floats({2, 3}, {2.75, 1.75, 0.55000001, 0.25, 0.94999999, 2.75})},
                  {floats({2, 3}, {0.36363637, 0.5714286, 1.8181818, 4, 1.0526316, 0.36363637})});
}

}  // namespace ingot::test
