#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(softmax_op, matches_onnx) {
  check_reference("softmax", {{"axis", int64_t{1}}},
                  {floats({2, 3, 2}, {0.86199999, 0.49399999, 0.87400001, 1.8789999, 1.484, -1.145,
                                      -1.689, 0.81699997, -1.015, -0.012, 0.83999997, -1.6440001})},
                  {floats({2, 3, 2}, {0.25808305, 0.19271536, 0.2611987, 0.76986432, 0.48071828,
                                      0.03742034, 0.064503528, 0.65710139, 0.12656042, 0.28681532,
                                      0.80893606, 0.056083322})});
}

std::vector<OpCase> softmax_cases() {
  return {
      {.name = "odd",
       .op = "softmax",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "planes",
       .op = "softmax",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(2), Dim(3), Dim(7), Dim(5)}}}},
      {.name = "large",
       .op = "softmax",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(3), Dim(70001)}}}},
  };
}

INGOT_OP_TEST(softmax);

}  // namespace ingot::test
