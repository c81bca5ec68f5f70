#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(expand_op, broadcasts) {
  check_reference("expand", {{"shape", std::vector<std::string>{"2", "2", "3"}}},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {floats({2, 2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5, -2.5, -1.5,
                                      -0.30000001, 0, 0.69999999, 2.5})});
}

}  // namespace ingot::test
