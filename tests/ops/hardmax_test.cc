#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(hardmax_op, matches_onnx) {
  check_reference("hardmax", {{"axis", int64_t{1}}},
                  {floats({2, 3, 2}, {0.40700001, -0.98900002, -0.65799999, -0.99900001,
                                      -0.88700002, 0.19499999, -0.78299999, 0.35600001, 0.34,
                                      2.0250001, -1.393, 0.88800001})},
                  {floats({2, 3, 2}, {1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0})});
}

}  // namespace ingot::test
