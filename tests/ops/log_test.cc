#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(log_op, matches_onnx) {
  check_reference(
      "log", {}, {floats({2, 3}, {2.75, 1.75, 0.55000001, 0.25, 0.94999999, 2.75})},
      {floats({2, 3}, {1.011601, 0.55961579, -0.59783697, -1.3862944, -0.051293306, 1.011601})});
}

}  // namespace ingot::test
