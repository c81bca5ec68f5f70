#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(is_inf_op, matches_onnx) {
  check_reference("is_inf", {{"detect_negative", int64_t{0}}},
                  {floats({4}, {1, NAN, -INFINITY, INFINITY})}, {bools({4}, {0, 0, 0, 1})});
}

}  // namespace ingot::test
