#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(is_nan_op, matches_onnx) {
  check_reference("is_nan", {}, {floats({3}, {1, NAN, -INFINITY})}, {bools({3}, {0, 1, 0})});
}

}  // namespace ingot::test
