#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(gather_elements_op, matches_onnx) {
  check_reference(
      "gather_elements", {{"axis", int64_t{0}}},
      {floats({3, 5}, {0.11, 0.064000003, -1.225, 0.075999998, 1.359, -1.5470001, 0.85900003, 0.119,
                       -0.64099997, 2, 0.76200002, -1.199, 0.075000003, 0.57700002, -0.189}),
       longs({1, 5}, {0, 2, -1, 1, 0})},
      {floats({1, 5}, {0.11, -1.199, 0.075000003, -0.64099997, 1.359})});
}

TEST(gather_elements_op, refuses_indices_outside) {
  for (double index : {2, -3}) {
    check_run_fails("gather_elements", {}, {floats({2}, {1, 2}), longs({1}, {index})},
                    {floats({1}, {0})}, "expected index -2 to 1, found");
  }
}

}  // namespace ingot::test
