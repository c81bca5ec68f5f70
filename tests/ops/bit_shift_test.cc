#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(bit_shift_op, matches_onnx) {
  check_reference(
      "bit_shift", {{"direction", std::string("LEFT")}},
      {typed(DType::kUInt8, {2, 2}, {1, 200, 7, 128}), typed(DType::kUInt8, {2}, {3, 5})},
      {typed(DType::kUInt8, {2, 2}, {8, 0, 56, 0})});
}
TEST(bit_shift_op, refuses_direction) {
  check_refused("bit_shift", {{"direction", std::string("UP")}},
                {typed(DType::kUInt8, {2, 2}, {1, 200, 7, 128}), typed(DType::kUInt8, {2}, {3, 5})},
                "direction");
}

}  // namespace ingot::test
