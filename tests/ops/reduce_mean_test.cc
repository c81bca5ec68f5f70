#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(reduce_mean_op, matches_onnx) {
  check_reference(
      "reduce_mean", {{"axes", std::vector<int64_t>{0, 2}}, {"keep_dims", false}},
      {floats({2, 3, 2}, {-2.0350001, -0.30399999, -0.89999998, 0.164, 2.2449999, -0.83200002,
                          -0.62400001, 0.205, 0.493, -0.176, -0.206, 0.70200002})},
      {floats({3}, {-0.68949997, -0.10474999, 0.47724998})});
}

}  // namespace ingot::test
