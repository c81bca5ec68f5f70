#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(dequantize_linear_op, matches_onnx) {
  check_reference("dequantize_linear", {{"axis", int64_t{1}}},
                  {typed(DType::kUInt8, {2, 2}, {1, 200, 3, 4}), floats({2}, {0.5, 0.25}),
                   typed(DType::kUInt8, {2}, {128, 3})},
                  {floats({2, 2}, {-63.5, 49.25, -62.5, 0.25})});
}

}  // namespace ingot::test
