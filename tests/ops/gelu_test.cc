#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(gelu_op, matches_onnx) {
  check_reference(
      "gelu", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {-0.015524179, -0.10021077, -0.11462658, 0, 0.53062546, 2.4844759})});
}
TEST(gelu_op, tanh_form) {
  check_reference(
      "gelu", {{"approximate", std::string("tanh")}},
      {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {-0.015084222, -0.10042843, -0.11462909, 0, 0.53057015, 2.4849157})});
}
TEST(gelu_op, refuses_unknown_form) {
  check_refused("gelu", {{"approximate", std::string("fast")}},
                {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})}, "approximate");
}

}  // namespace ingot::test
