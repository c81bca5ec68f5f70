#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(scatter_nd_op, matches_onnx) {
  check_reference(
      "scatter_nd", {},
      {floats({3, 5}, {0.11, 0.064000003, -1.225, 0.075999998, 1.359, -1.5470001, 0.85900003, 0.119,
                       -0.64099997, 2, 0.76200002, -1.199, 0.075000003, 0.57700002, -0.189}),
       longs({2, 1}, {0, 2}),
       floats({2, 5}, {-0.36899999, -0.25, 1.524, -0.428, -0.30399999, 0.35299999, -0.121, -0.197,
                       -1.114, -0.012})},
      {floats({3, 5}, {-0.36899999, -0.25, 1.524, -0.428, -0.30399999, -1.5470001, 0.85900003,
                       0.119, -0.64099997, 2, 0.35299999, -0.121, -0.197, -1.114, -0.012})});
}

TEST(scatter_nd_op, refuses_indices_outside) {
  for (double index : {2, -3}) {
    check_run_fails("scatter_nd", {},
                    {floats({2}, {1, 2}), longs({1, 1}, {index}), floats({1}, {3})},
                    {floats({2}, {1, 2})}, "expected index -2 to 1, found");
  }
}

}  // namespace ingot::test
