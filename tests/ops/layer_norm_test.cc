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
  return {
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
  };
}

INGOT_OP_TEST(layer_norm);

}  // namespace ingot::test
