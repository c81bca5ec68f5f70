#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(silu_op, matches_onnx) {
  check_reference(
      "silu", {{"alpha", 1.0}}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {-0.18964545, -0.27363831, -0.12766725, 0, 0.46773145, 2.3103545})});
}

std::vector<OpCase> silu_cases() {
  return {
      {.name = "odd",
       .op = "silu",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "planes",
       .op = "silu",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(2), Dim(3), Dim(7), Dim(5)}}}},
      {.name = "large",
       .op = "silu",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(3), Dim(70001)}}}},
  };
}

INGOT_OP_TEST(silu);

}  // namespace ingot::test
