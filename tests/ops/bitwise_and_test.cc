#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(bitwise_and_op, matches_onnx) {
  check_reference(
      "bitwise_and", {},
      {typed(DType::kUInt8, {2, 2}, {1, 200, 7, 128}), typed(DType::kUInt8, {2}, {3, 5})},
      {typed(DType::kUInt8, {2, 2}, {1, 0, 3, 0})});
}

}  // namespace ingot::test
