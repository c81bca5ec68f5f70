#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(erf_op, matches_onnx) {
  check_reference(
      "erf", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {-0.99959302, -0.96610516, -0.32862678, 0, 0.67780119, 0.99959302})});
}

}  // namespace ingot::test
