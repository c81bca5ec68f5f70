#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(reduce_max_op, matches_onnx) {
  check_reference(
      "reduce_max", {{"axes", std::vector<int64_t>{0, 2}}, {"keep_dims", false}},
      {floats({2, 3, 2}, {0.51999998, -1.034, -0.079000004, 0.035, -1.054, 0.25999999, -0.85799998,
                          0.972, 0.193, 0.089000002, -0.59100002, -0.119})},
      {floats({3}, {0.972, 0.193, 0.25999999})});
}

}  // namespace ingot::test
