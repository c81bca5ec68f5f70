#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(reduce_log_sum_op, matches_onnx) {
  check_reference("reduce_log_sum", {{"axes", std::vector<int64_t>{1}}, {"keep_dims", true}},
                  {floats({2, 3}, {0.88100004, 0.93099999, 1.021, 0.55599999, 1.615, 1.347})},
                  {floats({2, 1}, {1.0413363, 1.2578927})});
}

}  // namespace ingot::test
