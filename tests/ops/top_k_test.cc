#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(top_k_op, matches_onnx) {
  check_reference(
      "top_k", {{"k", int64_t{2}}, {"axis", int64_t{1}}, {"largest", int64_t{1}}},
      {floats({3, 5}, {0.11, 0.064000003, -1.225, 0.075999998, 1.359, -1.5470001, 0.85900003, 0.119,
                       -0.64099997, 2, 0.76200002, -1.199, 0.075000003, 0.57700002, -0.189})},
      {floats({3, 2}, {1.359, 0.11, 2, 0.85900003, 0.76200002, 0.57700002}),
       longs({3, 2}, {4, 0, 4, 1, 0, 3})});
}
TEST(top_k_op, refuses_too_many) {
  check_refused(
      "top_k", {{"k", int64_t{9}}, {"axis", int64_t{1}}},
      {floats({3, 5}, {0.11, 0.064000003, -1.225, 0.075999998, 1.359, -1.5470001, 0.85900003, 0.119,
                       -0.64099997, 2, 0.76200002, -1.199, 0.075000003, 0.57700002, -0.189})},
      "axis has 5");
}

}  // namespace ingot::test
