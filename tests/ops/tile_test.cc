#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(tile_op, repeats) {
  check_reference("tile", {{"repeats", std::vector<int64_t>{2, 1}}},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({4, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5, -2.5, -1.5,
                                   -0.30000001, 0, 0.69999999, 2.5})});
}

}  // namespace ingot::test
