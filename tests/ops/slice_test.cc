#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(slice_op, strided) {
  check_reference(
      "slice",
      {{"axes", std::vector<int64_t>{0, 1}},
       {"starts", std::vector<int64_t>{0, -1}},
       {"ends", std::vector<std::string>{"3", "-6"}},
       {"steps", std::vector<int64_t>{2, -2}}},
      {floats({3, 5}, {0.11, 0.064000003, -1.225, 0.075999998, 1.359, -1.5470001, 0.85900003, 0.119,
                       -0.64099997, 2, 0.76200002, -1.199, 0.075000003, 0.57700002, -0.189})},
      {floats({2, 3}, {1.359, -1.225, 0.11, -0.189, 0.075000003, 0.76200002})});
}

}  // namespace ingot::test
