#include "tests/server/welch.h"

#include <gtest/gtest.h>

#include <random>

namespace ingot {
namespace welch_test {

constexpr double kParts[] = {1.0, 0.9, 0.5};

ClassTimes times_of(std::initializer_list<double> values) {
  ClassTimes out;
  for (const double value : values) out.add(value);
  return out;
}

TEST(Welch, KnownValues) {
  // Means 20 and 22 apart by -2; variances 2.5 and 4, so sqrt(2.5/5 + 4/4).
  EXPECT_NEAR(welch_t(times_of({18, 19, 20, 21, 22}), times_of({20, 22, 22, 24})),
              -2 / std::sqrt(2.5 / 5 + (8.0 / 3) / 4), 1e-12);
  EXPECT_EQ(welch_t(times_of({5, 5}), times_of({5, 5})), 0);
  EXPECT_EQ(welch_t(times_of({6, 6}), times_of({5, 5})), INFINITY);
  EXPECT_TRUE(std::isnan(welch_t(times_of({5}), times_of({5, 6}))));
}

// Times of two classes; those of class 1 take `more` longer in the mean, and one call in a hundred
// of either is held up for long.
std::vector<TimedCall> drawn(double more) {
  std::mt19937 random(7);
  std::normal_distribution<double> usual(500, 20);
  std::vector<TimedCall> out;
  for (int i = 0; i < 200'000; ++i) {
    const auto of = static_cast<uint8_t>(random() % 2);
    double ns = usual(random) + more * of;
    if (random() % 100 == 0) ns += static_cast<double>(random() % 5'000'000);
    out.push_back({static_cast<uint32_t>(ns), of});
  }
  return out;
}

TEST(Welch, EqualClassesStayBelow) {
  for (const WelchCrop& crop : welch_crops(drawn(0), kParts)) {
    EXPECT_LT(std::abs(crop.t), 4.5) << crop.kept;
    const int64_t counted = crop.classes[0].count + crop.classes[1].count;
    EXPECT_GE(static_cast<double>(counted), crop.kept * 200'000);
  }
}

// A nanosecond is lost in what holds calls up, and seen without it.
TEST(Welch, ANanosecondIsSeenBelowTheCut) {
  const auto crops = welch_crops(drawn(1), kParts);
  EXPECT_LT(std::abs(crops[0].t), 4.5);
  EXPECT_LT(crops[1].t, -4.5);
  EXPECT_LT(crops[1].most_ns, 600u);
}

TEST(Welch, NoCallsAreNoResult) {
  for (const WelchCrop& crop : welch_crops({}, kParts)) EXPECT_TRUE(std::isnan(crop.t));
}

}  // namespace welch_test
}  // namespace ingot
