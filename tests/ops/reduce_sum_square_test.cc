#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(reduce_sum_square_op, matches_onnx) {
  check_reference(
      "reduce_sum_square", {{"axes", std::vector<int64_t>{0, 2}}, {"keep_dims", false}},
      {floats({2, 3, 2}, {0.45500001, -0.53899997, -0.14300001, -1.108, -1.216, 1.336, -0.50700003,
                          0.292, -0.034000002, -0.44100001, -0.50800002, 0.63})},
      {floats({3}, {0.83985901, 1.4437501, 3.9185157})});
}

}  // namespace ingot::test
