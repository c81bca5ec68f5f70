#include "tests/ops/logits_cases.h"
#include "tests/ops/logits_test.h"

namespace ingot::test {
namespace {

TEST(Logprobs, OfTheChosenAndTheBest) {
  LogitsCase c;
  // Shifted by 100: the largest logit must not overflow anything.
  c.logits({1, 4}, {100 + std::log(0.1f), 100 + std::log(0.4f), 100 + std::log(0.1f),
                    100 + std::log(0.4f)});
  c.ints({2});
  const auto out = c.run("logprobs", {{"top", int64_t{3}}}, 3);
  EXPECT_NEAR(*reinterpret_cast<const float*>(out[0].data()), std::log(0.1f), 1e-5);
  const auto* ids = reinterpret_cast<const int32_t*>(out[1].data());
  const auto* values = reinterpret_cast<const float*>(out[2].data());
  EXPECT_EQ(ids[0], 1);
  EXPECT_EQ(ids[1], 3);
  EXPECT_EQ(ids[2], 0);
  EXPECT_NEAR(values[0], std::log(0.4f), 1e-5);
  EXPECT_NEAR(values[2], std::log(0.1f), 1e-5);
}

TEST(Logprobs, OfARowWithNanAreNan) {
  LogitsCase c;
  c.logits({1, 2}, {NAN, 1}).ints({1});
  const auto out = c.run("logprobs", {{"top", int64_t{1}}}, 3);
  EXPECT_TRUE(std::isnan(*reinterpret_cast<const float*>(out[0].data())));
  EXPECT_EQ(*reinterpret_cast<const int32_t*>(out[1].data()), -1);
}

}  // namespace

std::vector<OpCase> logprobs_cases() {
  std::vector<OpCase> cases;
  for (int64_t top : {0, 1, 32, 1000}) {
    const auto more =
        logits_cases("logprobs", fmt::format("top{}_", top), false, [](const LogitsSize& size) {
          return std::vector<CaseInput>{row_range(DType::kInt32, -1, size.vocab)};
        });
    for (OpCase c : more) {
      c.attrs = {{"top", top}};
      c.outputs = 3;
      cases.push_back(std::move(c));
    }
  }
  return cases;
}

INGOT_GPU_OP_TEST(logprobs);

}  // namespace ingot::test
