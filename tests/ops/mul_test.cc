#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(mul_op, matches_onnx) {
  check_reference(
      "mul", {},
      {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5}), floats({3}, {1.5, -0.5, 2})},
      {floats({2, 3}, {-3.75, 0.75, -0.60000002, 0, -0.34999999, 5})});
}
TEST(mul_op, both_broadcast) {
  check_reference("mul", {}, {floats({2, 1}, {2, -3}), floats({3}, {1.5, -0.5, 2})},
                  {floats({2, 3}, {3, -1, 4, -4.5, 1.5, -6})});
}
TEST(mul_op, exact_integers) {
  check_reference("mul", {},
                  {longs({2, 3}, {-7, -1, 0, 2, 3, 9}), longs({2, 1}, {4, 1.1529215e+18})},
                  {longs({2, 3}, {-28, -4, 0, 2.305843e+18, 3.4587645e+18, -8.0704505e+18})});
}
TEST(mul_op, refuses_shapes) {
  check_refused(
      "mul", {},
      {floats({2, 3}, {0.49000001, 0.35699999, 0.105, -0.93000001, -0.028999999, 0.69499999}),
       floats({2, 2}, {-1.344, -0.458, -1.901, -1.29})},
      "broadcast");
}

std::vector<OpCase> mul_cases() {
  std::vector<OpCase> cases = {
      {.name = "equal",
       .op = "mul",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}},
                  {.type = DType::kFloat32, .shape = {tokens(), Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "row",
       .op = "mul",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}},
                  {.type = DType::kFloat32, .shape = {Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "column",
       .op = "mul",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}},
                  {.type = DType::kFloat32, .shape = {tokens(), Dim(1)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "scalar",
       .op = "mul",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}},
                  {.type = DType::kFloat32, .shape = SymShape{}}},
       .symbols = {{"tokens", 5}}},
      {.name = "scalar_left",
       .op = "mul",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = SymShape{}},
                  {.type = DType::kFloat32, .shape = {tokens(), Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "channels",
       .op = "mul",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(2), Dim(3), Dim(7), Dim(5)}},
                  {.type = DType::kFloat32, .shape = {Dim(3), Dim(1), Dim(1)}}}},
      {.name = "both",
       .op = "mul",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(4), Dim(1), Dim(6)}},
                  {.type = DType::kFloat32, .shape = {Dim(5), Dim(1)}}}},
      {.name = "middle",
       .op = "mul",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(2), Dim(3), Dim(4)}},
                  {.type = DType::kFloat32, .shape = {Dim(2), Dim(1), Dim(4)}}}},
  };
  for (const char* name : {"float32", "bfloat16", "float16"}) {
    const ElementType type = parse_element_type(name);
    for (int64_t n : {1, 13, 576}) {
      const CaseInput x = {.type = type, .shape = {tokens(), n}};
      const std::pair<const char*, SymShape> others[] = {
          {"equal", x.shape}, {"row", {n}}, {"column", {tokens(), Dim(1)}}, {"scalar", {}}};
      for (const auto& [other, shape] : others) {
        cases.push_back({.name = fmt::format("{}_{}_{}", other, name, n),
                         .op = "mul",
                         .attrs = {},
                         .inputs = {x, {.type = type, .shape = shape}},
                         .symbols = {{"tokens", 35}}});
      }
    }
  }
  by_reference_on_gpu(cases, {"scalar_left", "channels", "both", "middle"});
  return cases;
}

INGOT_OP_TEST(mul);

}  // namespace ingot::test
