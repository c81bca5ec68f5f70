#include "tests/ops/harness.h"
#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

TEST(FeedTokens, FillsInWhatASlotKeeps) {
  LogitsCase c;
  // -1 - s stands for slot s; slots outside and draws that failed read token 0.
  c.ints({5, -1, -3, -4, 0, INT32_MIN}).ints({7, 8, -1});
  const auto out = c.run("feed_tokens", {});
  const auto* ids = reinterpret_cast<const int32_t*>(out[0].data());
  EXPECT_EQ(std::vector<int32_t>(ids, ids + 6), (std::vector<int32_t>{5, 7, 0, 0, 0, 0}));
}

}  // namespace

std::vector<OpCase> feed_tokens_cases() {
  std::vector<OpCase> cases;
  for (int64_t count : {1, 7, 300, 4097}) {
    for (int64_t slots : {1, 64}) {
      cases.push_back({.name = fmt::format("{}_of_{}", count, slots),
                       .op = "feed_tokens",
                       .inputs = {{.type = DType::kInt32,
                                   .shape = {tokens()},
                                   .fill = Fill::kRange,
                                   .low = -slots - 3,
                                   .high = 100},
                                  {.type = DType::kInt32,
                                   .shape = {slots},
                                   .fill = Fill::kRange,
                                   .low = -1,
                                   .high = 50000}},
                       .symbols = {{"tokens", count}}});
    }
  }
  return cases;
}

INGOT_GPU_OP_TEST(feed_tokens);

}  // namespace ingot::test
