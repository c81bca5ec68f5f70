#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(batch_norm_op, matches_onnx) {
  check_reference(
      "batch_norm", {{"epsilon", 0.001}},
      {floats({2, 3, 2}, {-1.6390001, 0.58099997, -0.055, 0.308, -1.698, -0.36500001, -0.60000002,
                          -0.86400002, -2.2550001, -0.33500001, 0.89700001, 0.38100001}),
       floats({3}, {-0.60100001, -0.015, 0.75700003}), floats({3}, {-2.76, -0.125, 0.54299998}),
       floats({3}, {0.68199998, 1.701, 1.135}), floats({3}, {0.81299996, 0.80199999, 1.2869999})},
      {floats({2, 3, 2},
              {-1.2139004, -2.6927204, -0.095606044, -0.10168236, -1.3466637, -0.457528, -1.9060148,
               -1.7301552, -0.05877991, -0.090919085, 0.38424957, 0.040067971})});
}

// The variance must be positive: it is kept small against epsilon.
std::vector<OpCase> batch_norm_cases() {
  const CaseInput vector = {.type = DType::kFloat32, .shape = {Dim(3)}};
  CaseInput variance = vector;
  variance.scale = 1e-3;  // small against epsilon
  return {{.name = "planes",
           .op = "batch_norm",
           .attrs = {{"epsilon", 0.5}},
           .inputs = {{.type = DType::kFloat32, .shape = {batch(), Dim(3), Dim(9), Dim(7)}},
                      vector,
                      vector,
                      vector,
                      variance},
           .symbols = {{"batch", 2}}}};
}

INGOT_OP_TEST(batch_norm);

}  // namespace ingot::test
