#include "tests/ops/harness.h"

namespace ingot::test {

std::vector<OpCase> embedding_cases() {
  std::vector<OpCase> cases;
  for (const char* table : {"float32", "bfloat16", "float16", "q8_0", "q4_1"}) {
    for (const char* type : {"float32", "bfloat16"}) {
      for (int64_t k : {32, 576}) {
        cases.push_back(
            {.name = fmt::format("{}_{}_{}", table, type, k),
             .op = "embedding",
             .attrs = {{"dtype", std::string(type)}},
             .inputs =
                 {{.type = DType::kInt32, .shape = {tokens()}, .fill = Fill::kRange, .high = 100},
                  {.type = parse_element_type(table),
                   .shape = {100, k},
                   .constant = true,
                   .segments = 3}},
             .symbols = {{"tokens", 41}},
             .strided_outputs = true});
      }
    }
  }
  return cases;
}

INGOT_OP_TEST(embedding);

}  // namespace ingot::test
