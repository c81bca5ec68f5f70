#include "tests/ops/logits_cases.h"
#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

TEST(LogitsRepetitionPenalty, DividesPositiveAndMultipliesNegativeOncePerId) {
  LogitsCase c;
  c.logits({2, 4}, {2, -2, 3, 0, 1, 1, 1, 1});
  c.ints({0, 1, 0, 1, 2, 3}).ints({0, 4, 6}).ints({2, 1}).floats({2.0f, 1.0f});
  const std::vector<float> want = {1, -4, 3, 0, 1, 1, 1, 1};
  EXPECT_EQ(c.run_logits("logits_repetition_penalty"), want);
}

TEST(LogitsRepetitionPenalty, IgnoresIdsOutsideTheVocabulary) {
  LogitsCase c;
  c.logits({1, 2}, {4, 4}).ints({-1, 7, 1}).ints({0, 3}).ints({1}).floats({4.0f});
  EXPECT_EQ(c.run_logits("logits_repetition_penalty"), (std::vector<float>{4, 1}));
}

}  // namespace

std::vector<OpCase> logits_repetition_penalty_cases() {
  return id_list_cases("logits_repetition_penalty", {1.3, 1.0, 0.5});
}

INGOT_GPU_OP_TEST(logits_repetition_penalty);

}  // namespace ingot::test
