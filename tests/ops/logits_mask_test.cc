#include "tests/ops/logits_cases.h"
#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

TEST(LogitsMask, KeepsIdsWithABitAndRowsWithoutWords) {
  LogitsCase c;
  c.logits({4, 3}, {1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}).ints({5, -7, 0}).ints({0, 1, 1, 2, 3});
  EXPECT_EQ(c.run_logits("logits_mask"),
            (std::vector<float>{1, kOff, 3, 1, 2, 3, 1, kOff, kOff, kOff, kOff, kOff}));
}

TEST(LogitsMask, CrossesWordsAndMissingWordsKeepNothing) {
  LogitsCase c;
  std::vector<float> logits(2 * 70, 1.0f);
  c.logits({2, 70}, logits).ints({-1, 1, 2, 1 << 31}).ints({0, 3, 4});
  const std::vector<float> found = c.run_logits("logits_mask");
  for (size_t i = 0; i < 70; ++i) {
    EXPECT_EQ(found[i], i <= 32 || i == 65 ? 1.0f : kOff) << i;
    EXPECT_EQ(found[70 + i], i == 31 ? 1.0f : kOff) << i;
  }
}

}  // namespace

// Row 1 has no words, row 2 too few.
std::vector<OpCase> logits_mask_cases() {
  std::vector<OpCase> cases;
  for (const LogitsSize& size : logits_sizes()) {
    for (const char* kind : {"plain", "cut", "faulty"}) {
      if (size.rows * size.vocab > 1'500'000 && kind != std::string("plain")) continue;
      const int64_t words = (size.vocab + 31) / 32;
      std::vector<int64_t> offsets = {0};
      for (int64_t r = 0; r < size.rows; ++r) {
        offsets.push_back(offsets.back() + (r == 1 ? 0 : r == 2 ? (words + 1) / 2 : words));
      }
      cases.push_back({.name = fmt::format("{}_{}x{}", kind, size.rows, size.vocab),
                       .op = "logits_mask",
                       .inputs = {logits_input(size, kind, size.rows),
                                  {.type = DType::kInt32,
                                   .shape = {offsets.back()},
                                   .fill = Fill::kRange,
                                   .low = INT32_MIN,
                                   .high = INT32_MAX},
                                  {.type = DType::kInt32,
                                   .shape = {size.rows + 1},
                                   .fill = Fill::kValues,
                                   .values = offsets}},
                       .strided_outputs = true});
    }
  }
  return cases;
}

INGOT_GPU_OP_TEST(logits_mask);

}  // namespace ingot::test
