#include "tests/ops/logits_cases.h"
#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

TEST(LogitsAllow, KeepsTheListedIdsAndRowsWithoutAList) {
  LogitsCase c;
  c.logits({3, 3}, {1, 2, 3, 1, 2, 3, 1, 2, 3}).ints({2, 0, 2, 9, 1, -1}).ints({0, 4, 4, 5});
  EXPECT_EQ(c.run_logits("logits_allow"), (std::vector<float>{1, kOff, 3, 1, 2, 3, kOff, 2, kOff}));
}

}  // namespace

std::vector<OpCase> logits_allow_cases() { return id_list_cases("logits_allow", {}); }

INGOT_GPU_OP_TEST(logits_allow);

}  // namespace ingot::test
