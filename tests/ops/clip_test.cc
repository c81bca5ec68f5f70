#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(clip_op, matches_onnx) {
  check_reference("clip", {},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5}), floats({}, {-1}),
                   floats({}, {1})},
                  {floats({2, 3}, {-1, -1, -0.30000001, 0, 0.69999999, 1})});
}
TEST(clip_op, no_lower) {
  check_reference(
      "clip", {},
      {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5}), absent(), floats({}, {1})},
      {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 1})});
}

}  // namespace ingot::test
