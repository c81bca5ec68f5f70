#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(range_op, counts) {
  check_reference("range",
                  {{"start", int64_t{2}}, {"limit", std::string("9")}, {"delta", int64_t{3}}}, {},
                  {longs({3}, {2, 5, 8})});
}

}  // namespace ingot::test
