#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(cosh_op, matches_onnx) {
  check_reference("cosh", {}, {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({2, 3}, {6.1322899, 2.3524096, 1.0453384, 1, 1.2551689, 6.1322899})});
}

}  // namespace ingot::test
