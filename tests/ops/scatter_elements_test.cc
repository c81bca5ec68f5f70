#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(scatter_elements_op, matches_onnx) {
  check_reference(
      "scatter_elements", {{"axis", int64_t{0}}},
      {floats({3, 5}, {0.11, 0.064000003, -1.225, 0.075999998, 1.359, -1.5470001, 0.85900003, 0.119,
                       -0.64099997, 2, 0.76200002, -1.199, 0.075000003, 0.57700002, -0.189}),
       longs({1, 5}, {0, 2, 1, 1, 0}),
       floats({1, 5}, {1.145, -1.324, -0.79500002, 0.64700001, -1.992})},
      {floats({3, 5},
              {1.145, 0.064000003, -1.225, 0.075999998, -1.992, -1.5470001, 0.85900003, -0.79500002,
               0.64700001, 2, 0.76200002, -1.324, 0.075000003, 0.57700002, -0.189})});
}
TEST(scatter_elements_op, adds) {
  check_reference(
      "scatter_elements", {{"axis", int64_t{0}}, {"reduction", std::string("add")}},
      {floats({3, 5}, {0.11, 0.064000003, -1.225, 0.075999998, 1.359, -1.5470001, 0.85900003, 0.119,
                       -0.64099997, 2, 0.76200002, -1.199, 0.075000003, 0.57700002, -0.189}),
       longs({1, 5}, {0, 2, 1, 1, 0}),
       floats({1, 5}, {-0.463, -0.097000003, 1.257, 0.68900001, -0.32699999})},
      {floats({3, 5},
              {-0.35299999, 0.064000003, -1.225, 0.075999998, 1.0319999, -1.5470001, 0.85900003,
               1.3759999, 0.048000038, 2, 0.76200002, -1.296, 0.075000003, 0.57700002, -0.189})});
}

TEST(scatter_elements_op, refuses_indices_outside) {
  for (double index : {2, -3}) {
    check_run_fails("scatter_elements", {},
                    {floats({2}, {1, 2}), longs({1}, {index}), floats({1}, {3})},
                    {floats({2}, {1, 2})}, "expected index -2 to 1, found");
  }
}

}  // namespace ingot::test
