#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(reduce_prod_op, matches_onnx) {
  check_reference(
      "reduce_prod", {{"axes", std::vector<int64_t>{0, 2}}, {"keep_dims", false}},
      {floats({2, 3, 2}, {1.442, -0.066, -0.27399999, -0.16, -0.97500002, 1.099, -0.54299998,
                          -0.050999999, -0.79299998, -0.62599999, -1.278, 1.257})},
      {floats({3}, {-0.0026355982, 0.021762963, 1.721347})});
}

}  // namespace ingot::test
