#include <cmath>

#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(div_op, matches_onnx) {
  check_reference(
      "div", {},
      {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5}), floats({3}, {1.5, -0.5, 2})},
      {floats({2, 3}, {-1.6666666, 3, -0.15000001, 0, -1.4, 1.25})});
}
TEST(div_op, both_broadcast) {
  check_reference("div", {}, {floats({2, 1}, {2, -3}), floats({3}, {1.5, -0.5, 2})},
                  {floats({2, 3}, {1.3333334, -4, 1, -2, 6, -1.5})});
}

std::vector<OpCase> div_cases() {
  return {
      {.name = "equal",
       .op = "div",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}},
                  {.type = DType::kFloat32, .shape = {tokens(), Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "row",
       .op = "div",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}},
                  {.type = DType::kFloat32, .shape = {Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "scalar",
       .op = "div",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}},
                  {.type = DType::kFloat32, .shape = SymShape{}}},
       .symbols = {{"tokens", 5}}},
      {.name = "scalar_left",
       .op = "div",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = SymShape{}},
                  {.type = DType::kFloat32, .shape = {tokens(), Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "channels",
       .op = "div",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(2), Dim(3), Dim(7), Dim(5)}},
                  {.type = DType::kFloat32, .shape = {Dim(3), Dim(1), Dim(1)}}}},
      {.name = "both",
       .op = "div",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(4), Dim(1), Dim(6)}},
                  {.type = DType::kFloat32, .shape = {Dim(5), Dim(1)}}}},
      {.name = "middle",
       .op = "div",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(2), Dim(3), Dim(4)}},
                  {.type = DType::kFloat32, .shape = {Dim(2), Dim(1), Dim(4)}}}},
  };
}

INGOT_OP_TEST(div);

TEST(div_op, refuses_an_integer_zero) {
  check_run_fails("div", {}, {longs({2}, {6, 5}), longs({2}, {3, 0})}, {longs({2}, {2, 0})},
                  "integer 5 divided by zero");
  check_reference("div", {}, {floats({1}, {1}), floats({1}, {INFINITY})}, {floats({1}, {0})});
}

}  // namespace ingot::test
