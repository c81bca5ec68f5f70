#include "tests/ops/logits_cases.h"
#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

TEST(LogitsTopP, KeepsTheSmallestSetThatReachesP) {
  // Probabilities 0.5, 0.25, 0.125, 0.125 (exact powers, so the borders are exact too).
  const std::vector<float> row = {std::log(0.125f), std::log(0.5f), std::log(0.25f),
                                  std::log(0.125f)};
  for (const auto& [p, kept] : std::vector<std::pair<float, std::vector<int>>>{
           {0.4f, {1}}, {0.6f, {1, 2}}, {0.8f, {0, 1, 2}}, {0.9f, {0, 1, 2, 3}}, {1e-6f, {1}}}) {
    LogitsCase c;
    c.logits({1, 4}, row).floats({p});
    std::vector<float> want(4, kOff);
    for (int id : kept) want[static_cast<size_t>(id)] = row[static_cast<size_t>(id)];
    EXPECT_EQ(c.run_logits("logits_top_p"), want) << p;
  }
}

TEST(LogitsTopP, AgreesWithAFullSortOnManyIds) {
  std::vector<float> row;
  for (int i = 0; i < 1000; ++i) row.push_back(static_cast<float>((i * 7919) % 1000) * 0.004f);
  LogitsCase c;
  c.logits({1, 1000}, row).floats({0.9f});
  const auto out = c.run_logits("logits_top_p");
  std::vector<double> sorted;
  for (float v : row) sorted.push_back(std::exp(static_cast<double>(v)));
  std::sort(sorted.rbegin(), sorted.rend());
  double total = 0, sum = 0;
  for (double v : sorted) total += v;
  long kept = 0;
  while (sum < 0.9 * total) sum += sorted[static_cast<size_t>(kept++)];
  EXPECT_EQ(std::count_if(out.begin(), out.end(), [](float v) { return v != kOff; }), kept);
}

}  // namespace

std::vector<OpCase> logits_top_p_cases() {
  std::vector<OpCase> cases;
  for (const auto& [name, first] : std::vector<std::pair<std::string, double>>{
           {"most_", 0.95}, {"half_", 0.5}, {"tiny_", 1e-9}, {"nearly_all_", 1 - 0x1p-20}}) {
    const auto more = logits_cases("logits_top_p", name, true, [first = first](const LogitsSize&) {
      return std::vector<CaseInput>{row_reals({first, 0.9, 1.0, 0.3, 0.0, 0.999, -1.0})};
    });
    cases.insert(cases.end(), more.begin(), more.end());
  }
  return cases;
}

INGOT_GPU_OP_TEST(logits_top_p);

}  // namespace ingot::test
