#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(where_op, matches_onnx) {
  check_reference("where", {},
                  {bools({2, 2}, {1, 0, 0, 1}), longs({1, 2}, {1, 2}), longs({2, 1}, {3, 4})},
                  {longs({2, 2}, {1, 3, 4, 2})});
}

}  // namespace ingot::test
