#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(bitwise_not_op, matches_onnx) {
  check_reference("bitwise_not", {}, {typed(DType::kUInt8, {2, 2}, {1, 200, 7, 128})},
                  {typed(DType::kUInt8, {2, 2}, {254, 55, 248, 127})});
}

}  // namespace ingot::test
