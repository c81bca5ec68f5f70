#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(mish_op, matches_onnx) {
  check_reference(
      "mish", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {-0.19681621, -0.29809976, -0.15113321, 0, 0.56114835, 2.4713924})});
}

}  // namespace ingot::test
