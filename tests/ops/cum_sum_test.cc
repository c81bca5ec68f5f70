#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(cum_sum_op, matches_onnx) {
  check_reference(
      "cum_sum", {{"axis", int64_t{1}}, {"exclusive", int64_t{1}}, {"reverse", int64_t{1}}},
      {floats({3, 5}, {0.11, 0.064000003, -1.225, 0.075999998, 1.359, -1.5470001, 0.85900003, 0.119,
                       -0.64099997, 2, 0.76200002, -1.199, 0.075000003, 0.57700002, -0.189})},
      {floats({3, 5}, {0.27399993, 0.20999992, 1.4349999, 1.359, 0, 2.3369999, 1.4779999, 1.359, 2,
                       0, -0.736, 0.463, 0.38800001, -0.189, 0})});
}

}  // namespace ingot::test
