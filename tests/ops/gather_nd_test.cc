#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(gather_nd_op, matches_onnx) {
  check_reference("gather_nd", {{"batch_dims", int64_t{0}}},
                  {floats({2, 3, 2}, {0.68300003, -0.067000002, 0.667, 1.439, -0.676, 0.20299999,
                                      -0.463, 0.127, -1.187, -0.579, -0.19599999, 0.89899999}),
                   longs({2, 2}, {0, 1, 1, -1})},
                  {floats({2, 2}, {0.667, 1.439, -0.19599999, 0.89899999})});
}

TEST(gather_nd_op, refuses_indices_outside) {
  for (double index : {2, -3}) {
    check_run_fails("gather_nd", {}, {floats({2, 2}, {1, 2, 3, 4}), longs({1, 1}, {index})},
                    {floats({1, 2}, {0, 0})}, "expected index -2 to 1, found");
  }
}

}  // namespace ingot::test
