#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(leaky_relu_op, matches_onnx) {
  check_reference("leaky_relu", {{"alpha", 0.2}},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({2, 3}, {-0.5, -0.30000001, -0.060000002, 0, 0.69999999, 2.5})});
}

std::vector<OpCase> leaky_relu_cases() {
  return {
      {.name = "odd",
       .op = "leaky_relu",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "planes",
       .op = "leaky_relu",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(2), Dim(3), Dim(7), Dim(5)}}}},
      {.name = "large",
       .op = "leaky_relu",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(3), Dim(70001)}}}},
  };
}

INGOT_OP_TEST(leaky_relu);

}  // namespace ingot::test
