#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(cast_op, truncates) {
  check_reference("cast", {{"to", std::string("int64")}},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {longs({2, 3}, {-2, -1, 0, 0, 0, 2})});
}
TEST(cast_op, to_half) {
  check_reference("cast", {{"to", std::string("float16")}},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {typed(DType::kFloat16, {2, 3}, {-2.5, -1.5, -0.30004883, 0, 0.70019531, 2.5})});
}
TEST(cast_op, to_bool) {
  check_reference("cast", {{"to", std::string("bool")}},
                  {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5})},
                  {bools({2, 3}, {1, 1, 1, 0, 1, 1})});
}

}  // namespace ingot::test
