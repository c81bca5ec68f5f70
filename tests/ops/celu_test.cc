#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(celu_op, matches_onnx) {
  check_reference("celu", {{"alpha", 1.5}},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({2, 3}, {-1.2166866, -0.94818079, -0.27190387, 0, 0.69999999, 2.5})});
}

}  // namespace ingot::test
