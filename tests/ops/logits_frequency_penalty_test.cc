#include "tests/ops/logits_cases.h"
#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

TEST(LogitsFrequencyPenalty, GrowsWithOccurrencesInTheOutput) {
  LogitsCase c;
  c.logits({1, 3}, {1, 1, 1});
  c.ints({0, 0, 1, 1, 2}).ints({0, 5}).ints({2}).floats({0.25f});
  EXPECT_EQ(c.run_logits("logits_frequency_penalty"), (std::vector<float>{1, 0.5f, 0.75f}));
}

}  // namespace

std::vector<OpCase> logits_frequency_penalty_cases() {
  return id_list_cases("logits_frequency_penalty", {0.7, 0.0, -0.3});
}

INGOT_GPU_OP_TEST(logits_frequency_penalty);

}  // namespace ingot::test
