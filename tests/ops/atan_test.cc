#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(atan_op, matches_onnx) {
  check_reference("atan", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({2, 3}, {-1.19029, -0.98279375, -0.29145682, 0, 0.61072594, 1.19029})});
}

}  // namespace ingot::test
