#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(sigmoid_op, matches_onnx) {
  check_reference(
      "sigmoid", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {0.075858183, 0.18242553, 0.42555746, 0.5, 0.6681878, 0.92414182})});
}

std::vector<OpCase> sigmoid_cases() {
  return {
      {.name = "odd",
       .op = "sigmoid",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "planes",
       .op = "sigmoid",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(2), Dim(3), Dim(7), Dim(5)}}}},
      {.name = "large",
       .op = "sigmoid",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(3), Dim(70001)}}}},
  };
}

INGOT_OP_TEST(sigmoid);

}  // namespace ingot::test
