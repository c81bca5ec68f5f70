#include "tests/ops/logits_cases.h"
#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

TEST(LogitsTemperature, DividesAndLeavesGreedyRowsAlone) {
  LogitsCase c;
  c.logits({3, 2}, {1, 2, 1, 2, kOff, 2}).floats({2.0f, 0.0f, 0.5f});
  EXPECT_EQ(c.run_logits("logits_temperature"), (std::vector<float>{0.5f, 1, 1, 2, kOff, 4}));
}

}  // namespace

std::vector<OpCase> logits_temperature_cases() {
  return logits_cases("logits_temperature", "", true, [](const LogitsSize&) {
    return std::vector<CaseInput>{row_reals({0.7, 0.0, 1.0, 2.0, 1e-6, 1e-5})};
  });
}

INGOT_GPU_OP_TEST(logits_temperature);

}  // namespace ingot::test
