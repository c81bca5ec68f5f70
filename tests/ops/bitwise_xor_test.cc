#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(bitwise_xor_op, matches_onnx) {
  check_reference(
      "bitwise_xor", {},
      {typed(DType::kUInt8, {2, 2}, {1, 200, 7, 128}), typed(DType::kUInt8, {2}, {3, 5})},
      {typed(DType::kUInt8, {2, 2}, {2, 205, 4, 133})});
}

}  // namespace ingot::test
