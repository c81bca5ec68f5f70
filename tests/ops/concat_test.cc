#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(concat_op, matches_onnx) {
  check_reference("concat", {{"axis", int64_t{1}}},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5}),
                   floats({2, 2}, {-0.97899997, -0.80900002, 1.061, -0.80800003})},
                  {floats({2, 5}, {-2.5, -1.5, -0.30000001, -0.97899997, -0.80900002, 0, 0.69999999,
                                   2.5, 1.061, -0.80800003})});
}
TEST(concat_op, refuses_shapes) {
  check_refused("concat", {{"axis", int64_t{0}}},
                {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5}),
                 floats({2, 2}, {-0.033, 0.884, -0.58399999, -0.112})},
                "join");
}

}  // namespace ingot::test
