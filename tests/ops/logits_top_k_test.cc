#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

TEST(LogitsTopK, KeepsTheLargestAndTiesOfTheLast) {
  LogitsCase c;
  c.logits({3, 4}, {1, 4, 3, 2, 1, 3, 3, 2, 1, 2, 3, 4}).ints({2, 1, 0});
  EXPECT_EQ(c.run_logits("logits_top_k"),
            (std::vector<float>{kOff, 4, 3, kOff, kOff, 3, 3, kOff, 1, 2, 3, 4}));
}

TEST(LogitsTopK, LeavesARowWithNanAlone) {
  LogitsCase c;
  c.logits({1, 3}, {NAN, 1, 2}).ints({1});
  const auto out = c.run_logits("logits_top_k");
  EXPECT_TRUE(std::isnan(out[0]));
  EXPECT_EQ(out[1], 1);
}

}  // namespace
}  // namespace ingot::test
