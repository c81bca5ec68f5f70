#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(xor_op, matches_onnx) {
  check_reference("xor", {}, {bools({2, 2}, {1, 0, 0, 1}), bools({2}, {1, 0})},
                  {bools({2, 2}, {0, 0, 1, 1})});
}

}  // namespace ingot::test
