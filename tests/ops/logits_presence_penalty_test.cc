#include "tests/ops/logits_cases.h"
#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

TEST(LogitsPresencePenalty, CountsOutputTokensAloneAndOnce) {
  LogitsCase c;
  // Row 0: prompt {0}, output {1, 1}; row 1: prompt {2}, no output.
  c.logits({2, 3}, {1, 1, 1, 5, 5, 5});
  c.ints({0, 1, 1, 2}).ints({0, 3, 4}).ints({1, 1}).floats({0.5f, 0.5f});
  EXPECT_EQ(c.run_logits("logits_presence_penalty"), (std::vector<float>{1, 0.5f, 1, 5, 5, 5}));
}

}  // namespace

std::vector<OpCase> logits_presence_penalty_cases() {
  return id_list_cases("logits_presence_penalty", {0.7, 0.0, -0.5});
}

INGOT_GPU_OP_TEST(logits_presence_penalty);

}  // namespace ingot::test
