#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(tanh_op, matches_onnx) {
  check_reference(
      "tanh", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {-0.98661429, -0.90514821, -0.29131263, 0, 0.60436779, 0.98661429})});
}

std::vector<OpCase> tanh_cases() {
  return {
      {.name = "odd",
       .op = "tanh",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "planes",
       .op = "tanh",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(2), Dim(3), Dim(7), Dim(5)}}}},
      {.name = "large",
       .op = "tanh",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(3), Dim(70001)}}}},
  };
}

INGOT_OP_TEST(tanh);

}  // namespace ingot::test
