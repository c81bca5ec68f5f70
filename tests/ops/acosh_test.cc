#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(acosh_op, matches_onnx) {
  check_reference("acosh", {}, {floats({2, 3}, {3.5, 2.5, 1.3, 1, 1.7, 3.5})},
                  {floats({2, 3}, {1.9248472, 1.5667993, 0.75643283, 0, 1.1232311, 1.9248472})});
}

}  // namespace ingot::test
