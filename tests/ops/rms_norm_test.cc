#include "tests/ops/harness.h"

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
  return cases;
}

INGOT_OP_TEST(rms_norm);

}  // namespace ingot::test
