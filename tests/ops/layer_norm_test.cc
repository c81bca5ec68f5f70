#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(layer_norm_op, matches_onnx) {
  check_reference(
      "layer_norm", {{"epsilon", 0.001}},
      {floats({3, 5}, {0.11, 0.064000003, -1.225, 0.075999998, 1.359, -1.5470001, 0.85900003, 0.119,
                       -0.64099997, 2, 0.76200002, -1.199, 0.075000003, 0.57700002, -0.189}),
       floats({5}, {-0.53899997, -0.039999999, 0.90600002, 1.957, -0.15899999}),
       floats({5}, {-0.048, 0.198, 1.3430001, -0.029999999, 1.469})},
      {floats({3, 5}, {-0.069878362, 0.19862598, -0.098983526, -0.031914096, 1.2197468, 0.70556253,
                       0.17500761, 1.3140267, -1.3121644, 1.2288443, -0.63709587, 0.26756242,
                       1.4343271, 1.5860363, 1.5135926})});
}

std::vector<OpCase> layer_norm_cases() {
  std::vector<OpCase> cases = {
      {.name = "odd",
       .op = "layer_norm",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(33)}},
                  {.type = DType::kFloat32, .shape = {Dim(33)}},
                  {.type = DType::kFloat32, .shape = {Dim(33)}}},
       .symbols = {{"tokens", 5}}},
      {.name = "no_scale",
       .op = "layer_norm",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {tokens(), Dim(64)}}},
       .symbols = {{"tokens", 5}}},
      // Far from zero: the mean must not cost the deviation its digits.
      {.name = "far",
       .op = "layer_norm",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32,
                   .shape = {tokens(), Dim(1000)},
                   .fill = Fill::kReals,
                   .reals = {1000.25, 1001.5, 998.75, 999.5, 1000.75, 1002, 1000}}},
       .symbols = {{"tokens", 3}}},
  };
  // Norms of heads: scale and bias are of all columns.
  for (const char* type : {"float32", "bfloat16", "float16"}) {
    for (int64_t group : {1, 20, 64, 160}) {
      const CaseInput vector = {.type = DType::kBFloat16, .shape = {5 * group}, .constant = true};
      cases.push_back({.name = fmt::format("group_{}_{}", type, group),
                       .op = "layer_norm",
                       .attrs = {{"group", group}},
                       .inputs = {{.type = parse_element_type(type),
                                   .shape = {tokens(), 5 * group},
                                   .strided = true},
                                  vector,
                                  vector},
                       .symbols = {{"tokens", 19}},
                       .strided_outputs = true});
    }
  }
  for (const char* type : {"float32", "bfloat16", "float16"}) {
    for (const char* weight : {"float32", "bfloat16"}) {
      for (int64_t k : {1, 7, 16, 33, 576, 4096}) {
        for (bool bias : {false, true}) {
          const CaseInput vector = {
              .type = parse_element_type(weight), .shape = {k}, .constant = true};
          OpCase c = {.name = fmt::format("{}_{}_{}{}", type, weight, k, bias ? "_bias" : ""),
                      .op = "layer_norm",
                      .attrs = {{"epsilon", 1e-5}},
                      .inputs = {{.type = parse_element_type(type),
                                  .shape = {tokens(), k},
                                  .strided = true},
                                 vector},
                      .symbols = {{"tokens", 19}},
                      .strided_outputs = true};
          if (bias) c.inputs.push_back(vector);
          cases.push_back(std::move(c));
        }
      }
    }
  }
  return cases;
}

TEST(layer_norm_op, groups_by_hand) {
  check_reference(
      "layer_norm", {{"epsilon", 0.0}, {"group", int64_t{2}}},
      {floats({1, 4}, {1, 3, 8, 2}), floats({4}, {1, 2, 3, 4}), floats({4}, {0, 0, 0.5, 0})},
      {floats({1, 4}, {-1, 2, 3.5, -4})});
}
TEST(layer_norm_op, refuses_groups_that_do_not_fit) {
  check_refused("layer_norm", {{"group", int64_t{3}}},
                {floats({1, 4}, {1, 2, 3, 4}), floats({4}, {1, 1, 1, 1})}, "whole groups of 3");
  check_refused("layer_norm", {{"group", int64_t{2}}},
                {floats({1, 4}, {1, 2, 3, 4}), floats({2}, {1, 1})}, "does not fit");
}

INGOT_OP_TEST(layer_norm);

}  // namespace ingot::test
