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
}  // namespace ingot::test
