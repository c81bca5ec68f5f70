#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(one_hot_op, hot) {
  check_reference("one_hot", {{"axis", int64_t{-1}}, {"depth", int64_t{3}}},
                  {longs({3}, {0, -1, 5}), floats({2}, {2, 7})},
                  {floats({3, 3}, {7, 2, 2, 2, 2, 7, 2, 2, 2})});
}

}  // namespace ingot::test
