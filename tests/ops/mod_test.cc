#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(mod_op, matches_onnx) {
  check_reference("mod", {{"fmod", int64_t{0}}},
                  {longs({2, 3}, {-7, -1, 0, 2, 3, 9}), longs({}, {4})},
                  {longs({2, 3}, {1, 3, 0, 2, 3, 1})});
}
TEST(mod_op, like_c) {
  check_reference(
      "mod", {{"fmod", int64_t{1}}},
      {floats({2, 3}, {-2.5, -1.5, -0.30000001, 0, 0.69999999, 2.5}), floats({}, {0.80000001})},
      {floats({2, 3}, {-0.099999964, -0.69999999, -0.30000001, 0, 0.69999999, 0.099999964})});
}

TEST(mod_op, refuses_an_integer_zero) {
  check_run_fails("mod", {{"fmod", int64_t{0}}}, {longs({2}, {6, 5}), longs({2}, {4, 0})},
                  {longs({2}, {2, 0})}, "integer 5 modulo zero");
}

}  // namespace ingot::test
