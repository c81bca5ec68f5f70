#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(and_op, matches_onnx) {
  check_reference("and", {}, {bools({2, 2}, {1, 0, 0, 1}), bools({2}, {1, 0})},
                  {bools({2, 2}, {1, 0, 0, 0})});
}

}  // namespace ingot::test
