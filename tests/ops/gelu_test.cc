#include <cmath>

#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(gelu_op, matches_onnx) {
  check_reference(
      "gelu", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {-0.015524179, -0.10021077, -0.11462658, 0, 0.53062546, 2.4844759})});
}
TEST(gelu_op, tanh_form) {
  check_reference(
      "gelu", {{"approximate", std::string("tanh")}},
      {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
      {floats({2, 3}, {-0.015084222, -0.10042843, -0.11462909, 0, 0.53057015, 2.4849157})});
}
TEST(gelu_op, refuses_unknown_form) {
  check_refused("gelu", {{"approximate", std::string("fast")}},
                {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})}, "approximate");
}

std::vector<OpCase> gelu_cases() {
  std::vector<OpCase> cases;
  for (const char* form : {"none", "tanh"}) {
    for (const char* type : {"float32", "bfloat16", "float16"}) {
      for (int64_t n : {1, 37, 16421}) {
        OpCase c = {.name = fmt::format("{}_{}_{}", form, type, n),
                    .op = "gelu",
                    .attrs = {{"approximate", std::string(form)}},
                    .inputs = {{.type = parse_element_type(type),
                                .shape = {tokens(), n},
                                .scale = 2,
                                .strided = true}},
                    .symbols = {{"tokens", 5}},
                    .strided_outputs = true};
        if (n > 1) c.inputs[0].spots = {{0, 0, 40}, {0, 1, -40}, {1, 3, 0}, {2, 5, NAN}};
        cases.push_back(std::move(c));
      }
    }
  }
  return cases;
}

INGOT_OP_TEST(gelu);

}  // namespace ingot::test
