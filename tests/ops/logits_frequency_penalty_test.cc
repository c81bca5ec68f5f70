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
}  // namespace ingot::test
