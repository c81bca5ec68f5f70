#include "tests/ops/harness.h"

namespace ingot::test {

std::vector<OpCase> act_mul_cases() {
  std::vector<OpCase> cases;
  for (const char* type : {"float32", "bfloat16", "float16"}) {
    for (const char* activation : {"silu", "gelu", "gelu_tanh", "relu"}) {
      for (int64_t n : {1, 13, 1536}) {
        const CaseInput x = {.type = parse_element_type(type),
                             .shape = {tokens(), n},
                             .scale = 3.0,
                             .strided = true};
        cases.push_back({.name = fmt::format("{}_{}_{}", type, activation, n),
                         .op = "act_mul",
                         .attrs = {{"activation", std::string(activation)}},
                         .inputs = {x, x},
                         .symbols = {{"tokens", 20}},
                         .strided_outputs = true});
      }
    }
  }
  return cases;
}

INGOT_OP_TEST(act_mul);

}  // namespace ingot::test
