#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(transpose_op, matches_onnx) {
  check_reference(
      "transpose", {{"perm", std::vector<int64_t>{2, 0, 1}}},
      {floats({2, 3, 2}, {-1.842, -0.235, -1.267, 0.271, 0.15700001, -0.18700001, -2.517,
                          -0.53899997, -0.048999999, 0.113, -1.53, -0.47799999})},
      {floats({2, 2, 3}, {-1.842, -1.267, 0.15700001, -2.517, -0.048999999, -1.53, -0.235, 0.271,
                          -0.18700001, -0.53899997, 0.113, -0.47799999})});
}
TEST(transpose_op, refuses_perm) {
  check_refused("transpose", {{"perm", std::vector<int64_t>{0, 0}}},
                {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})}, "perm");
}

}  // namespace ingot::test
