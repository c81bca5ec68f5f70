#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(elu_op, matches_onnx) {
  check_reference("elu", {{"alpha", 1.5}},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({2, 3}, {-1.3768725, -1.1653048, -0.3887727, 0, 0.69999999, 2.5})});
}

}  // namespace ingot::test
