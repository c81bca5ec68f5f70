#include "tests/ops/logits_cases.h"
#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

TEST(LogitsMinP, KeepsWhatIsLikelyEnoughBesideTheBest) {
  LogitsCase c;
  const float a = std::log(0.6f), b = std::log(0.3f), d = std::log(0.1f);
  c.logits({2, 3}, {a, b, d, a, b, d}).floats({0.4f, 0.0f});
  EXPECT_EQ(c.run_logits("logits_min_p"), (std::vector<float>{a, b, kOff, a, b, d}));
}

}  // namespace

std::vector<OpCase> logits_min_p_cases() {
  return logits_cases("logits_min_p", "", true, [](const LogitsSize&) {
    return std::vector<CaseInput>{row_reals({0.05, 0.0, 1.0, 0.3, 1e-20, 2.0})};
  });
}

INGOT_GPU_OP_TEST(logits_min_p);

}  // namespace ingot::test
