#include <cmath>

#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(clip_op, matches_onnx) {
  check_reference("clip", {},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5}), floats({}, {-1}),
                   floats({}, {1})},
                  {floats({2, 3}, {-1, -1, -0.30000001, 0, 0.69999999, 1})});
}
TEST(clip_op, no_lower) {
  check_reference(
      "clip", {},
      {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5}), absent(), floats({}, {1})},
      {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 1})});
}

std::vector<OpCase> clip_cases() {
  std::vector<OpCase> cases = {
      {.name = "planes",
       .op = "clip",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(2), Dim(3), Dim(7), Dim(5)}},
                  {.type = DType::kFloat32, .shape = {}, .reals = {0}},
                  {.type = DType::kFloat32, .shape = {Dim(1)}, .reals = {0.5}}}},
      {.name = "large",
       .op = "clip",
       .attrs = {},
       .inputs = {{.type = DType::kFloat32, .shape = {Dim(3), Dim(70001)}},
                  {.type = DType::kFloat32, .shape = {}, .reals = {-0.25}}}},
  };
  for (const char* name : {"float32", "bfloat16", "float16"}) {
    const ElementType type = parse_element_type(name);
    cases.push_back({.name = fmt::format("strided_{}", name),
                     .op = "clip",
                     .attrs = {},
                     .inputs = {{.type = type,
                                 .shape = {tokens(), Dim(1037)},
                                 .scale = 2,
                                 .strided = true,
                                 .spots = {{0, 0, 40}, {0, 1, -40}, {1, 3, 0}, {2, 5, NAN}}},
                                {.type = type, .shape = {}, .reals = {-1.5}},
                                {.type = type, .shape = {}, .reals = {0.75}}},
                     .symbols = {{"tokens", 19}},
                     .strided_outputs = true});
  }
  return cases;
}

INGOT_OP_TEST(clip);

}  // namespace ingot::test
