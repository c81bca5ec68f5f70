#include <cmath>

#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

std::vector<OpCase> rms_norm_cases() {
  std::vector<OpCase> cases;
  for (const char* type : {"float32", "bfloat16", "float16"}) {
    for (const char* weight : {"float32", "bfloat16"}) {
      for (int64_t k : {1, 7, 16, 33, 576, 4096}) {
        for (int64_t m : {1, 19}) {
          cases.push_back(
              {.name = fmt::format("{}_{}_{}x{}", type, weight, m, k),
               .op = "rms_norm",
               .attrs = {{"epsilon", 1e-5}},
               .inputs = {{.type = parse_element_type(type),
                           .shape = {tokens(), k},
                           .strided = true},
                          {.type = parse_element_type(weight), .shape = {k}, .constant = true}},
               .symbols = {{"tokens", m}},
               .strided_outputs = true});
        }
      }
    }
  }
  // Values whose squares are tiny: epsilon decides.
  cases.push_back({.name = "tiny",
                   .op = "rms_norm",
                   .attrs = {{"epsilon", 1e-6}},
                   .inputs = {{.type = DType::kFloat32, .shape = {tokens(), 64}, .scale = 1e-4},
                              {.type = DType::kFloat32, .shape = {64}, .constant = true}},
                   .symbols = {{"tokens", 3}}});
  // Weights that are offsets from one, as Gemma keeps them: 1 + w must not be rounded to w's type.
  for (const char* type : {"float32", "bfloat16", "float16"}) {
    for (int64_t k : {7, 576}) {
      cases.push_back(
          {.name = fmt::format("offset_{}_{}", type, k),
           .op = "rms_norm",
           .attrs = {{"epsilon", 1e-6}, {"weight_offset", 1.0}},
           .inputs =
               {{.type = parse_element_type(type), .shape = {tokens(), k}, .strided = true},
                {.type = parse_element_type(type), .shape = {k}, .scale = 0.01, .constant = true}},
           .symbols = {{"tokens", 5}},
           .strided_outputs = true});
    }
    // Norms of heads: one weight for every group of columns.
    for (int64_t group : {1, 20, 64, 128}) {
      cases.push_back({.name = fmt::format("group_{}_{}", type, group),
                       .op = "rms_norm",
                       .attrs = {{"epsilon", 1e-6}, {"group", group}, {"weight_offset", 0.5}},
                       .inputs = {{.type = parse_element_type(type),
                                   .shape = {tokens(), 5 * group},
                                   .strided = true},
                                  {.type = DType::kBFloat16, .shape = {group}, .constant = true}},
                       .symbols = {{"tokens", 19}},
                       .strided_outputs = true});
    }
  }
  return cases;
}

TEST(rms_norm_op, offset_and_group_by_hand) {
  const double r = 1 / std::sqrt(2.5), q = 1 / std::sqrt(12.5);
  check_reference("rms_norm", {{"epsilon", 0.0}, {"weight_offset", 1.0}, {"group", int64_t{2}}},
                  {floats({1, 4}, {1, 2, 3, -4}), floats({2}, {0, 0.5})},
                  {floats({1, 4}, {r, 3 * r, 3 * q, -6 * q})});
}
TEST(rms_norm_op, refuses_groups_that_do_not_fit) {
  const Attrs three = {{"group", int64_t{3}}}, two = {{"group", int64_t{2}}};
  check_refused("rms_norm", three, {floats({1, 4}, {1, 2, 3, 4}), floats({3}, {1, 1, 1})},
                "whole groups of 3");
  check_refused("rms_norm", two, {floats({1, 4}, {1, 2, 3, 4}), floats({4}, {1, 1, 1, 1})},
                "does not fit");
}

INGOT_OP_TEST(rms_norm);

}  // namespace ingot::test
