#include <cmath>

#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(cast_op, truncates) {
  check_reference("cast", {{"to", std::string("int64")}},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {longs({2, 3}, {-2, -1, 0, 0, 0, 2})});
}
TEST(cast_op, to_half) {
  check_reference("cast", {{"to", std::string("float16")}},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {typed(DType::kFloat16, {2, 3}, {-2.5, -1.5, -0.30004883, 0, 0.70019531, 2.5})});
}
TEST(cast_op, to_bool) {
  check_reference("cast", {{"to", std::string("bool")}},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {bools({2, 3}, {1, 1, 1, 0, 1, 1})});
}

std::vector<OpCase> cast_cases() {
  std::vector<OpCase> cases;
  for (const char* from : {"float32", "bfloat16", "float16"}) {
    for (const char* to : {"float32", "bfloat16", "float16"}) {
      for (int64_t n : {1, 37, 4100}) {
        OpCase c = {
            .name = fmt::format("{}_{}_{}", from, to, n),
            .op = "cast",
            .attrs = {{"to", std::string(to)}},
            .inputs = {{.type = parse_element_type(from), .shape = {tokens(), n}, .scale = 3}},
            .symbols = {{"tokens", 5}}};
        if (n > 1) c.inputs[0].spots = {{0, 0, 1e30}, {0, 1, -1e-30}, {1, 3, 0}, {2, 5, NAN}};
        cases.push_back(std::move(c));
      }
    }
  }
  return cases;
}
INGOT_OP_TEST(cast);

}  // namespace ingot::test
