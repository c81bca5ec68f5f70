#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(reduce_log_sum_exp_op, matches_onnx) {
  check_reference(
      "reduce_log_sum_exp", {{"axes", std::vector<int64_t>{0, 2}}, {"keep_dims", false}},
      {floats({2, 3, 2}, {-0.30199999, -0.15099999, 0.022, 1.177, 0.68099999, 0.38299999,
                          -0.56400001, -1.382, 0.94999999, 0.96600002, -0.141, 0.542})},
      {floats({3}, {0.88343298, 2.2491837, 1.7968236})});
}

}  // namespace ingot::test
