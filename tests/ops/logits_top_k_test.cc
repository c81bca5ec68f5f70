#include "tests/ops/logits_cases.h"
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

std::vector<OpCase> logits_top_k_cases() {
  return logits_cases("logits_top_k", "", true, [](const LogitsSize& size) {
    CaseInput k = row_range(DType::kInt32, 0, 0);
    const std::vector<int64_t> kinds = {1, 50, size.vocab, 0, size.vocab - 1, -3, size.vocab / 2};
    for (int64_t r = 0; r < size.rows; ++r) {
      k.values.push_back(kinds[static_cast<size_t>(r) % kinds.size()]);
    }
    k.fill = Fill::kValues;
    return std::vector<CaseInput>{k};
  });
}

INGOT_GPU_OP_TEST(logits_top_k);

}  // namespace ingot::test
