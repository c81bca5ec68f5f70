#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(reduce_min_op, matches_onnx) {
  check_reference(
      "reduce_min", {{"axes", std::vector<int64_t>{0, 2}}, {"keep_dims", false}},
      {floats({2, 3, 2}, {-1.998, -1.131, 0.36300001, -2.1289999, 0.847, -1.7460001, 0.75700003,
                          -0.84500003, 0.77899998, 0.131, -1.5369999, 1.249})},
      {floats({3}, {-1.998, -2.1289999, -1.7460001})});
}

}  // namespace ingot::test
