#include "base/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>

namespace ingot {
namespace {

// First outputs of SplitMix64 from seed 0 (published with the xoshiro generators).
TEST(Random, SplitMix64KnownValues) {
  EXPECT_EQ(random_u64(0, 0), 0xe220a8397b1dcdafull);
  EXPECT_EQ(random_u64(0, 1), 0x6e789e6aa1b965f4ull);
  EXPECT_EQ(random_u64(0, 2), 0x06c45d188009454full);
}

TEST(Random, UnitStaysBelowOneAndHasTheRightMean) {
  double sum = 0;
  for (uint64_t i = 0; i < 100'000; ++i) {
    const double u = random_unit(42, i);
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
  }
  EXPECT_NEAR(sum / 100'000, 0.5, 0.005);
}

TEST(Random, BelowCoversItsRangeEvenly) {
  int counts[7] = {};
  for (uint64_t i = 0; i < 70'000; ++i) ++counts[random_below(1, i, 7)];
  for (int count : counts) EXPECT_NEAR(count, 10'000, 500);
  EXPECT_EQ(random_below(1, 5, 1), 0u);
}

TEST(Random, NormalHasUnitVariance) {
  double sum = 0;
  double squares = 0;
  for (uint64_t i = 0; i < 100'000; ++i) {
    const double x = random_normal(7, i);
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / 100'000, 0.0, 0.02);
  EXPECT_NEAR(squares / 100'000, 1.0, 0.03);
}

}  // namespace
}  // namespace ingot
