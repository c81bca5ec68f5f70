#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(ceil_op, matches_onnx) {
  check_reference("ceil", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({2, 3}, {-2, -1, 0, 0, 1, 3})});
}

}  // namespace ingot::test
