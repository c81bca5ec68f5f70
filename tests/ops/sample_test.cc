#include "tests/ops/logits_cases.h"
#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

int32_t draw(std::vector<float> logits, float temperature, int64_t seed, int64_t position) {
  LogitsCase c;
  const auto n = static_cast<int64_t>(logits.size());
  c.logits({1, n}, std::move(logits)).floats({temperature}).longs({seed}).longs({position});
  return *reinterpret_cast<const int32_t*>(c.run("sample", {})[0].data());
}

TEST(Sample, GreedyTakesTheLargestAndTheLowestIdOfEquals) {
  EXPECT_EQ(draw({1, 3, 2, 3}, 0, 7, 1), 1);
  EXPECT_EQ(draw({kOff, -5, kOff}, 0, 7, 1), 1);
}

TEST(Sample, FollowsTheDistribution) {
  const std::vector<float> logits = {std::log(0.5f), kOff, std::log(0.3f), std::log(0.2f)};
  constexpr int kDraws = 20000;
  std::vector<int> counts(4, 0);
  for (int i = 0; i < kDraws; ++i) ++counts[static_cast<size_t>(draw(logits, 1, 42, i))];
  EXPECT_EQ(counts[1], 0);
  // Five standard deviations of a binomial count: 5 * sqrt(20000 * 0.25) = 354.
  EXPECT_NEAR(counts[0], 0.5 * kDraws, 354);
  EXPECT_NEAR(counts[2], 0.3 * kDraws, 354);
  EXPECT_NEAR(counts[3], 0.2 * kDraws, 354);
}

TEST(Sample, DependsOnSeedAndPositionAlone) {
  const std::vector<float> logits(64, 0.0f);
  EXPECT_EQ(draw(logits, 1, 5, 9), draw(logits, 1, 5, 9));
  int differ = 0;
  for (int i = 0; i < 20; ++i) {
    differ += draw(logits, 1, 5, i) != draw(logits, 1, 6, i);
    differ += draw(logits, 1, 5, i) != draw(logits, 1, 5, i + 100);
  }
  EXPECT_GT(differ, 30);
}

TEST(Sample, RowsWithoutMeaningGiveNoToken) {
  EXPECT_EQ(draw({1, NAN}, 0, 1, 1), -1);
  EXPECT_EQ(draw({1, INFINITY}, 1, 1, 1), -1);
  EXPECT_EQ(draw({kOff, kOff}, 1, 1, 1), -1);
}

// Logits divided by these are infinite, or best minus best is NaN.
TEST(Sample, TinyTemperaturesAreGreedy) {
  for (float temperature : {1e-45f, 1e-38f, 1e-9f, 9e-6f}) {
    LogitsCase c;
    c.logits({1, 3}, {40, 50, -60}).floats({temperature});
    const auto out = c.run("logits_temperature", {});
    const auto* scaled = reinterpret_cast<const float*>(out[0].data());
    EXPECT_EQ(draw({scaled, scaled + 3}, temperature, 7, 1), 1) << temperature;
  }
}

}  // namespace

std::vector<OpCase> sample_cases() {
  std::vector<OpCase> cases;
  for (const auto& [name, first] :
       std::vector<std::pair<std::string, double>>{{"greedy_", 0.0}, {"drawn_", 1.0}}) {
    const auto more = logits_cases("sample", name, false, [first = first](const LogitsSize&) {
      return std::vector<CaseInput>{row_reals({first, first, 0.8, first, 0.0}),
                                    row_range(DType::kInt64, 0, int64_t{1} << 62),
                                    row_range(DType::kInt64, 0, 4096)};
    });
    cases.insert(cases.end(), more.begin(), more.end());
  }
  return cases;
}

INGOT_GPU_OP_TEST(sample);

}  // namespace ingot::test
