#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(quantize_linear_op, matches_onnx) {
  check_reference(
      "quantize_linear", {{"axis", int64_t{1}}, {"dtype", std::string("uint8")}},
      {floats({3, 5}, {0.11, 0.064000003, -1.225, 0.075999998, 1.359, -1.5470001, 0.85900003, 0.119,
                       -0.64099997, 2, 0.76200002, -1.199, 0.075000003, 0.57700002, -0.189}),
       floats({}, {0.02}), typed(DType::kUInt8, {}, {128})},
      {typed(DType::kUInt8, {3, 5},
             {134, 131, 67, 132, 196, 51, 171, 134, 96, 228, 166, 68, 132, 157, 119})});
}

}  // namespace ingot::test
