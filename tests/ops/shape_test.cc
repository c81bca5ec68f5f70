#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(shape_op, matches_onnx) {
  check_reference(
      "shape", {},
      {floats({3, 5}, {0.11, 0.064000003, -1.225, 0.075999998, 1.359, -1.5470001, 0.85900003, 0.119,
                       -0.64099997, 2, 0.76200002, -1.199, 0.075000003, 0.57700002, -0.189})},
      {longs({2}, {3, 5})});
}

}  // namespace ingot::test
