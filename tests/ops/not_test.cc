#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(not_op, matches_onnx) {
  check_reference("not", {}, {bools({2, 2}, {1, 0, 0, 1})}, {bools({2, 2}, {0, 1, 1, 0})});
}

}  // namespace ingot::test
