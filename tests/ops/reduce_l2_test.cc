#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(reduce_l2_op, matches_onnx) {
  check_reference(
      "reduce_l2", {{"axes", std::vector<int64_t>{0, 2}}, {"keep_dims", false}},
      {floats({2, 3, 2}, {-0.671, -1.054, 0.33700001, 1.4069999, -1.454, -0.20900001, -0.63200003,
                          -1.761, 0.73500001, -0.023, 0.071000002, -0.75199997})},
      {floats({3}, {2.2498226, 1.6229516, 1.6517693})});
}

}  // namespace ingot::test
