#include "tests/ops/logits_cases.h"
#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

TEST(LogitsBan, TakesTheListedIdsOfEachRow) {
  LogitsCase c;
  c.logits({2, 3}, {1, 2, 3, 1, 2, 3}).ints({2, 9, -1}).ints({0, 2, 2});
  EXPECT_EQ(c.run_logits("logits_ban"), (std::vector<float>{1, 2, kOff, 1, 2, 3}));
}

}  // namespace

std::vector<OpCase> logits_ban_cases() { return id_list_cases("logits_ban", {}); }

INGOT_GPU_OP_TEST(logits_ban);

}  // namespace ingot::test
