#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(bitwise_or_op, matches_onnx) {
  check_reference(
      "bitwise_or", {},
      {typed(DType::kUInt8, {2, 2}, {1, 200, 7, 128}), typed(DType::kUInt8, {2}, {3, 5})},
      {typed(DType::kUInt8, {2, 2}, {3, 205, 7, 133})});
}

}  // namespace ingot::test
