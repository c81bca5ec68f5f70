#include <cmath>

#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(relu_op, matches_onnx) {
  check_reference("relu", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({2, 3}, {0, 0, 0, 0, 0.69999999, 2.5})});
}

std::vector<OpCase> relu_cases() {
  std::vector<OpCase> cases = {
      {.name = "odd",
       .op = "relu",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "planes",
       .op = "relu",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(2), Dim(3), Dim(7), Dim(5)}}}},
      {.name = "large",
       .op = "relu",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(3), Dim(70001)}}}},
  };
  for (const char* type : {"float32", "bfloat16", "float16"}) {
    cases.push_back({.name = fmt::format("strided_{}", type),
                     .op = "relu",
                     .attrs = {},
                     .inputs = {{.type = parse_element_type(type),
                                 .shape = {tokens(), Dim(1037)},
                                 .scale = 2,
                                 .strided = true,
                                 .spots = {{0, 0, 40}, {0, 1, -40}, {1, 3, 0}, {2, 5, NAN}}}},
                     .symbols = {{"tokens", 19}},
                     .strided_outputs = true});
  }
  return cases;
}

INGOT_OP_TEST(relu);

}  // namespace ingot::test
