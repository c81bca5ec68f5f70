#include "tests/ops/harness.h"

namespace ingot::test {

std::vector<OpCase> gather_cases() {
  std::vector<OpCase> cases;
  for (const char* type : {"float32", "bfloat16", "int64"}) {
    for (int64_t n : {1, 13, 576}) {
      CaseInput x = {.type = parse_element_type(type), .shape = {11, n}};
      if (is_integer(x.type.dtype)) {
        x.fill = Fill::kRange;
        x.high = 1000;
      }
      cases.push_back({.name = fmt::format("{}_{}", type, n),
                       .op = "gather",
                       .attrs = {{"axis", int64_t{0}}},
                       .inputs = {x,
                                  {.type = DType::kInt64,
                                   .shape = {tokens()},
                                   .fill = Fill::kRange,
                                   .low = -11,
                                   .high = 11}},
                       .symbols = {{"tokens", 18}}});
    }
  }
  return cases;
}

INGOT_OP_TEST(gather);

}  // namespace ingot::test
