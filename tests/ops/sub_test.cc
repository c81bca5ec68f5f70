#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(sub_op, matches_onnx) {
  check_reference(
      "sub", {},
      {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5}), floats({3}, {1.5, -0.5, 2})},
      {floats({2, 3}, {-4, -1, -2.3, -1.5, 1.2, 0.5})});
}
TEST(sub_op, both_broadcast) {
  check_reference("sub", {}, {floats({2, 1}, {2, -3}), floats({3}, {1.5, -0.5, 2})},
                  {floats({2, 3}, {0.5, 2.5, 0, -4.5, -2.5, -5})});
}
TEST(sub_op, exact_integers) {
  check_reference("sub", {},
                  {longs({2, 3}, {-7, -1, 0, 2, 3, 9}), longs({2, 1}, {4, 1.1529215e+18})},
                  {longs({2, 3}, {-11, -5, -4, -1.1529215e+18, -1.1529215e+18, -1.1529215e+18})});
}
TEST(sub_op, refuses_shapes) {
  check_refused(
      "sub", {},
      {floats({2, 3}, {0.001, 0.29899999, -0.27399999, -0.89099997, -0.45500001, -0.99199998}),
       floats({2, 2}, {0.059999999, 1.34, -0.49200001, -0.62})},
      "broadcast");
}

std::vector<OpCase> sub_cases() {
  return {
      {.name = "equal",
       .op = "sub",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}},
                  {.type = DType::kFloat32, .shape = {tokens(), Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "row",
       .op = "sub",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}},
                  {.type = DType::kFloat32, .shape = {Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "scalar",
       .op = "sub",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}},
                  {.type = DType::kFloat32, .shape = SymShape{}}},
       .symbols = {{"tokens", 5}}},
      {.name = "scalar_left",
       .op = "sub",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = SymShape{}},
                  {.type = DType::kFloat32, .shape = {tokens(), Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "channels",
       .op = "sub",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(2), Dim(3), Dim(7), Dim(5)}},
                  {.type = DType::kFloat32, .shape = {Dim(3), Dim(1), Dim(1)}}}},
      {.name = "both",
       .op = "sub",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(4), Dim(1), Dim(6)}},
                  {.type = DType::kFloat32, .shape = {Dim(5), Dim(1)}}}},
      {.name = "middle",
       .op = "sub",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(2), Dim(3), Dim(4)}},
                  {.type = DType::kFloat32, .shape = {Dim(2), Dim(1), Dim(4)}}}},
  };
}

INGOT_OP_TEST(sub);

}  // namespace ingot::test
