#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(reshape_op, keeps_order) {
  check_reference("reshape", {{"shape", std::vector<std::string>{"3", "2"}}},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({3, 2}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})});
}
TEST(reshape_op, refuses_count) {
  check_refused("reshape", {{"shape", std::vector<std::string>{"4"}}},
                {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})}, "elements");
}

}  // namespace ingot::test
