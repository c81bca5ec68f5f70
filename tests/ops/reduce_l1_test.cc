#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(reduce_l1_op, matches_onnx) {
  check_reference(
      "reduce_l1", {{"axes", std::vector<int64_t>{0, 2}}, {"keep_dims", false}},
      {floats({2, 3, 2}, {-0.154, 0.96600002, 0.013, -0.69400001, -0.32699999, -0.56, 0.0080000004,
                          -0.375, -0.30000001, -1.3789999, -0.80699998, 1.654})},
      {floats({3}, {1.503, 2.3859999, 3.348})});
}

}  // namespace ingot::test
