#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(identity_op, copies) {
  check_reference("identity", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})});
}

}  // namespace ingot::test
