#include "tests/ops/harness.h"

namespace ingot::test {

std::vector<OpCase> add_cases() {
  std::vector<OpCase> cases;
  for (const char* name : {"float32", "bfloat16", "float16"}) {
    const ElementType type = parse_element_type(name);
    for (int64_t n : {1, 13, 576}) {
      const CaseInput x = {.type = type, .shape = {tokens(), n}};
      cases.push_back({.name = fmt::format("{}_{}", name, n),
                       .op = "add",
                       .inputs = {x, x},
                       .symbols = {{"tokens", 35}}});
      cases.push_back({.name = fmt::format("row_{}_{}", name, n),
                       .op = "add",
                       .inputs = {x, {.type = type, .shape = {n}}},
                       .symbols = {{"tokens", 35}}});
      cases.push_back({.name = fmt::format("scalar_{}_{}", name, n),
                       .op = "add",
                       .inputs = {x, {.type = type, .shape = SymShape{}}},
                       .symbols = {{"tokens", 35}}});
    }
  }
  return cases;
}

INGOT_OP_TEST(add);

}  // namespace ingot::test
