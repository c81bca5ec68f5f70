#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(tan_op, matches_onnx) {
  check_reference(
      "tan", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {0.74702227, -14.10142, -0.30933627, 0, 0.84228832, -0.74702227})});
}

}  // namespace ingot::test
