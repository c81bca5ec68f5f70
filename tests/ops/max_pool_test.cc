#include "tests/ops/harness.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

TEST(max_pool_op, matches_onnx) {
  check_reference(
      "max_pool",
      {{"kernel", std::vector<int64_t>{3, 2}},
       {"strides", std::vector<int64_t>{2, 2}},
       {"pads", std::vector<int64_t>{1, 0, 1, 0}}},
      {floats(
          {1, 2, 5, 4},
          {-0.65399998, -0.259,     0.63700002,  0.43099999,  0.207,        -1.5140001,  0.53799999,
           1.169,       1.01,       0.234,       -1.558,      0.94300002,   -0.147,      -2.533,
           0.377,       -1.492,     -1.296,      -0.63499999, 1.273,        -0.37099999, 0.271,
           1.748,       1.594,      -0.103,      -0.242,      -1.261,       -0.69400001, 0.42500001,
           0.396,       0.11,       0.995,       -0.77200001, -0.056000002, 0.73100001,  0.58399999,
           1.071,       0.39700001, -0.30899999, 0.36199999,  -1.003})},
      {floats({1, 2, 3, 2}, {0.207, 1.169, 1.01, 1.169, -0.147, 1.273, 1.748, 1.594, 0.73100001,
                             1.071, 0.73100001, 1.071})});
}

std::vector<OpCase> max_pool_cases() {
  std::vector<OpCase> cases;
  for (const bool ceil : {false, true}) {
    cases.push_back(
        {.name = ceil ? "ceil" : "floor",
         .op = "max_pool",
         .attrs = {{"kernel", std::vector<int64_t>{3, 3}},
                   {"strides", std::vector<int64_t>{2, 2}},
                   {"pads", std::vector<int64_t>{1, 1, 0, 1}},
                   {"ceil_mode", ceil}},
         .inputs = {{.type = DType::kFloat32, .shape = {batch(), Dim(5), Dim(13), Dim(9)}}},
         .symbols = {{"batch", 2}}});
  }
  return cases;
}

INGOT_OP_TEST(max_pool);

}  // namespace ingot::test
