#include "server/best_of.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ingot {
namespace {

TEST(BestOf, IsByTheMeanNotTheSum) {
  Generation brief, lengthy, none;
  brief.logprobs = {{-2.0f, {}}};
  lengthy.logprobs = {{-1.5f, {}}, {-1.0f, {}}, {-2.0f, {}}};
  EXPECT_DOUBLE_EQ(mean_logprob(brief), -2.0);
  EXPECT_DOUBLE_EQ(mean_logprob(lengthy), -1.5);
  EXPECT_EQ(mean_logprob(none), -INFINITY);
}

TEST(BestOf, BestFirstAndTheFirstOfEquals) {
  EXPECT_EQ(best_indices({-3, -1, -2, -1, -INFINITY}, 3), (std::vector<int32_t>{1, 3, 2}));
  EXPECT_EQ(best_indices({-3, -1}, 5), (std::vector<int32_t>{1, 0}));
}

}  // namespace
}  // namespace ingot
