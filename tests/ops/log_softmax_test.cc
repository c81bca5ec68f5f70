#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(log_softmax_op, matches_onnx) {
  check_reference("log_softmax", {{"axis", int64_t{1}}},
                  {floats({2, 3, 2}, {-2.1099999, 0.259, 0.044, -0.24600001, 0.039000001, -0.861,
                                      -1.513, -0.167, -0.972, -1.643, 0.50599998, -0.061000001})},
                  {floats({2, 3, 2}, {-2.9011765, -0.65740877, -0.74717671, -1.1624088, -0.7521767,
                                      -1.7774088, -2.3271327, -0.85030985, -1.7861326, -2.3263097,
                                      -0.30813271, -0.74430978})});
}

}  // namespace ingot::test
