#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(reduce_sum_op, matches_onnx) {
  check_reference("reduce_sum", {{"axes", std::vector<int64_t>{0, 2}}, {"keep_dims", false}},
                  {floats({2, 3, 2}, {-0.44400001, 1.166, 0.653, -0.024, 0.66799998, -0.34, 1.052,
                                      -0.0049999999, 0.583, -1.291, 0.347, -1.688})},
                  {floats({3}, {1.7690001, -0.078999996, -1.013})});
}

}  // namespace ingot::test
