#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

TEST(LogitsTemperature, DividesAndLeavesGreedyRowsAlone) {
  LogitsCase c;
  c.logits({3, 2}, {1, 2, 1, 2, kOff, 2}).floats({2.0f, 0.0f, 0.5f});
  EXPECT_EQ(c.run_logits("logits_temperature"), (std::vector<float>{0.5f, 1, 1, 2, kOff, 4}));
}

}  // namespace
}  // namespace ingot::test
