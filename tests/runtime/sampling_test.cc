// The sample plan as a whole: rules in order, rows apart from each other, logprobs, speculation
// rows.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/random.h"
#include "runtime/sample_plan.h"
#include "tensor/device.h"

namespace ingot {
namespace {

constexpr int64_t kSampleVocab = 50;

class SamplerTest : public ::testing::Test {
 protected:
  std::unique_ptr<Device> device_ = make_cpu_device(1);
  Sampler sampler_{*device_, kSampleVocab, {.max_tokens = 64, .max_rows = 64}};
  std::vector<float> logits_;

  TensorView logits(int64_t rows) {
    logits_.resize(static_cast<size_t>(rows * kSampleVocab));
    for (size_t i = 0; i < logits_.size(); ++i) {
      logits_[i] = static_cast<float>(random_normal(3, i)) * 2;
    }
    return view(rows);
  }
  TensorView view(int64_t rows) {
    return {DType::kFloat32, {rows, kSampleVocab}, reinterpret_cast<std::byte*>(logits_.data())};
  }
  TokenId argmax(int64_t row) const {
    const auto begin = logits_.begin() + row * kSampleVocab;
    return static_cast<TokenId>(std::max_element(begin, begin + kSampleVocab) - begin);
  }
};

// Others may stand between these.
TEST_F(SamplerTest, RulesAreListedInOrder) {
  const std::vector<std::string_view> want = {"repetition_penalty",
                                              "presence_penalty",
                                              "frequency_penalty",
                                              "logit_bias",
                                              "min_tokens",
                                              "allowed_token_ids",
                                              "bad_words",
                                              "grammar",
                                              "temperature",
                                              "top_k",
                                              "top_p",
                                              "min_p"};
  std::vector<std::string_view> names;
  int order = 0;
  for (const SamplerRule* rule : sampler_rules()) {
    EXPECT_GE(rule->order, order) << rule->name;
    order = rule->order;
    if (std::find(want.begin(), want.end(), rule->name) != want.end()) names.push_back(rule->name);
  }
  EXPECT_EQ(names, want);
}

TEST_F(SamplerTest, OnlyActiveRulesAreInThePlan) {
  SamplingParams greedy, full;
  full.temperature = 0.7;
  full.top_k = 5;
  full.top_p = 0.9;
  full.repetition_penalty = 1.1;
  full.logprobs = 3;
  const std::vector<TokenId> history = {1};
  const std::vector<SampleRow> rows = {{&greedy, 0, 1, history, 0}, {&full, 0, 1, history, 0}};
  const std::string plain = sampler_.plan_text_for(std::span(rows).first(1));
  EXPECT_EQ(plain.find("logits_"), std::string::npos) << plain;
  EXPECT_EQ(plain.find("logprobs"), std::string::npos);
  const std::string text = sampler_.plan_text_for(rows);
  size_t at = 0;
  for (const char* op : {"logits_repetition_penalty(", "logits_temperature(", "logits_top_k(",
                         "logits_top_p(", "sample(", "logprobs("}) {
    const size_t found = text.find(op, at);
    ASSERT_NE(found, std::string::npos) << op << " missing or out of order:\n" << text;
    at = found;
  }
  EXPECT_EQ(text.find("logits_min_p"), std::string::npos);
}

TEST_F(SamplerTest, EveryRowIsTheSameAloneAndInABatch) {
  const TensorView all = logits(20);
  std::vector<SamplingParams> params(20);
  std::vector<std::vector<TokenId>> histories(20);
  std::vector<SampleRow> rows;
  for (int i = 0; i < 20; ++i) {
    SamplingParams& p = params[static_cast<size_t>(i)];
    p.temperature = i % 4 == 0 ? 0 : 0.5 + i * 0.1;
    p.top_k = i % 3 == 0 ? 0 : i;
    p.top_p = i % 5 == 0 ? 1 : 0.8;
    p.min_p = i % 7 == 0 ? 0.05 : 0;
    p.presence_penalty = i % 2 == 0 ? 0 : 0.3;
    p.frequency_penalty = i % 6 == 0 ? 0.2 : 0;
    p.repetition_penalty = i % 4 == 1 ? 1.3 : 1;
    p.seed = static_cast<uint64_t>(i);
    p.logprobs = i % 5 - 1;
    for (int t = 0; t <= i; ++t) {
      histories[static_cast<size_t>(i)].push_back(static_cast<TokenId>((t * 7) % kSampleVocab));
    }
    rows.push_back({&p, i % 3, 1, histories[static_cast<size_t>(i)], i});
  }
  std::vector<Sampler::Drawn> together, alone;
  sampler_.run(all, rows, together);
  for (size_t i = 0; i < rows.size(); ++i) {
    sampler_.run(all, std::span(rows).subspan(i, 1), alone);
    EXPECT_EQ(alone[0].token, together[i].token) << i;
    EXPECT_EQ(alone[0].logprobs.chosen, together[i].logprobs.chosen) << i;
    EXPECT_EQ(alone[0].logprobs.top, together[i].logprobs.top) << i;
    if (params[i].temperature == 0 && params[i].presence_penalty == 0 &&
        params[i].frequency_penalty == 0 && params[i].repetition_penalty == 1) {
      EXPECT_EQ(together[i].token, argmax(static_cast<int64_t>(i)));
    }
  }
}

TEST_F(SamplerTest, LogprobsAreOfTheRawLogits) {
  const TensorView all = logits(1);
  SamplingParams p;
  p.temperature = 3;
  p.top_k = 2;
  p.logprobs = 3;
  const std::vector<TokenId> history = {1};
  const std::vector<SampleRow> rows = {{&p, 0, 1, history, 0}};
  std::vector<Sampler::Drawn> out;
  sampler_.run(all, rows, out);
  double total = 0;
  for (float v : logits_) total += std::exp(static_cast<double>(v));
  ASSERT_EQ(out[0].logprobs.top.size(), 3u);
  EXPECT_NEAR(out[0].logprobs.chosen, logits_[static_cast<size_t>(out[0].token)] - std::log(total),
              1e-5);
  EXPECT_EQ(out[0].logprobs.top[0].first, argmax(0));
  EXPECT_GT(out[0].logprobs.top[1].second, out[0].logprobs.top[2].second);
}

TEST_F(SamplerTest, NoEndTokenBeforeMinTokens) {
  const TensorView all = logits(1);
  SamplingParams p;
  p.min_tokens = 2;
  p.eos_token_ids = {argmax(0)};
  std::vector<TokenId> history = {1};
  std::vector<Sampler::Drawn> out;
  for (int outputs = 0; outputs < 4; ++outputs) {
    const std::vector<SampleRow> rows = {{&p, 0, 1, history, 0}};
    sampler_.run(all, rows, out);
    EXPECT_EQ(out[0].token == argmax(0), outputs >= 2) << outputs;
    history.push_back(3);
  }
}

TEST_F(SamplerTest, BiasIsAddedAndBansIdsOfItsRowAlone) {
  const TensorView all = logits(2);
  SamplingParams plain, up, off;
  up.logit_bias = {{7, 90.0f}, {9, 0.5f}};
  off.logit_bias = {{argmax(1), -INFINITY}};
  const std::vector<TokenId> history = {1};
  const std::vector<SampleRow> rows = {
      {&plain, 0, 1, history, 0}, {&up, 0, 1, history, 0}, {&off, 0, 1, history, 1}};
  std::vector<Sampler::Drawn> out;
  sampler_.run(all, rows, out);
  EXPECT_EQ(out[0].token, argmax(0));
  EXPECT_EQ(out[1].token, 7);
  const TokenId best = argmax(1);
  logits_[static_cast<size_t>(kSampleVocab + best)] = -INFINITY;
  EXPECT_EQ(out[2].token, argmax(1));
  EXPECT_NE(out[2].token, best);
}

TEST_F(SamplerTest, OnlyAllowedIdsAreDrawn) {
  logits_.assign(kSampleVocab, 0.0f);
  SamplingParams p;
  p.temperature = 1;
  p.allowed_token_ids = {40, 3, 17};
  p.logit_bias = {{3, -INFINITY}};
  SamplingParams free;
  free.temperature = 1;
  std::vector<std::vector<TokenId>> histories;
  for (int i = 0; i < 64; ++i) histories.emplace_back(static_cast<size_t>(i / 2 + 1), 1);
  std::vector<SampleRow> rows;
  for (int i = 0; i < 64; ++i) {
    rows.push_back({i % 2 == 0 ? &p : &free, 0, 1, histories[static_cast<size_t>(i)], 0});
  }
  std::vector<Sampler::Drawn> out;
  sampler_.run(view(1), rows, out);
  std::set<TokenId> seen, others;
  for (size_t i = 0; i < out.size(); ++i) (i % 2 == 0 ? seen : others).insert(out[i].token);
  EXPECT_EQ(seen, (std::set<TokenId>{17, 40}));
  EXPECT_GT(others.size(), 10u);
}

TEST_F(SamplerTest, ABadWordIsNotFinished) {
  const TensorView all = logits(1);
  const TokenId best = argmax(0);
  SamplingParams p;
  p.bad_words = {{4, 5, best}, {6, best}};
  const auto draws_best = [&](const std::vector<TokenId>& history) {
    const std::vector<SampleRow> rows = {{&p, 0, 2, history, 0}};
    EXPECT_TRUE(sampler_.reads_history(rows));
    std::vector<Sampler::Drawn> out;
    sampler_.run(all, rows, out);
    return out[0].token == best;
  };
  EXPECT_TRUE(draws_best({1, 2}));
  EXPECT_TRUE(draws_best({1, 2, 5}));
  EXPECT_TRUE(draws_best({1, 4, 5}));  // its first token is the prompt's
  EXPECT_TRUE(draws_best({1, 6}));
  EXPECT_FALSE(draws_best({1, 2, 6}));
  EXPECT_FALSE(draws_best({1, 2, 9, 4, 5}));
  EXPECT_TRUE(draws_best({1, 2, 4, 5, 5}));
  p.bad_words = {{best}};
  EXPECT_FALSE(draws_best({1, 2}));
}

TEST_F(SamplerTest, ChoicesOfARequestDiffer) {
  logits_.assign(kSampleVocab, 0.0f);
  SamplingParams p;
  p.temperature = 1;
  const std::vector<TokenId> history = {1};
  std::vector<SampleRow> rows;
  for (int32_t c = 0; c < 16; ++c) rows.push_back({&p, c, 1, history, 0});
  std::vector<Sampler::Drawn> out;
  sampler_.run(view(1), rows, out);
  std::set<TokenId> seen;
  for (const auto& drawn : out) seen.insert(drawn.token);
  EXPECT_GT(seen.size(), 8u);
}

TEST_F(SamplerTest, RowsThatAreNotFiniteGiveNoToken) {
  logits_.assign(2 * kSampleVocab, 0.0f);
  logits_[kSampleVocab + 3] = NAN;
  SamplingParams p;
  p.temperature = 1;
  p.top_k = 3;
  p.top_p = 0.5;
  const std::vector<TokenId> history = {1};
  const std::vector<SampleRow> rows = {{&p, 0, 1, history, 0}, {&p, 0, 1, history, 1}};
  std::vector<Sampler::Drawn> out;
  sampler_.run(view(2), rows, out);
  EXPECT_GE(out[0].token, 0);
  EXPECT_EQ(out[1].token, -1);
}

TEST(SamplingParamsTest, BoundsAreChecked) {
  auto refused = [](auto change) {
    SamplingParams p;
    change(p);
    try {
      validate(p, 100);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return true;
    }
    return false;
  };
  EXPECT_FALSE(refused([](SamplingParams&) {}));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.max_tokens = -1; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.temperature = NAN; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.temperature = -1; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.top_p = 0; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.n = 1 << 30; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.min_tokens = 513; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.stop_token_ids = {100}; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.eos_token_ids.assign(1000, 1); }));
  EXPECT_TRUE(refused([](SamplingParams& p) {
    p.beam_width = 2;
    p.n = 3;
  }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.logit_bias = {{100, 1.0f}}; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.logit_bias = {{1, 101.0f}}; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.logit_bias = {{1, NAN}}; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.logit_bias = {{1, 1.0f}, {1, 2.0f}}; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.allowed_token_ids = {-1}; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.bad_words = {{}}; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.bad_words = {{1, 100}}; }));
  EXPECT_TRUE(refused([](SamplingParams& p) {
    p.beam_width = 2;
    p.logit_bias = {{1, 1.0f}};
  }));
}

TEST(SamplingParamsTest, ATokenIsAlwaysLeftToDraw) {
  SamplingParams p;
  p.allowed_token_ids = {1, 2, 3};
  p.logit_bias = {{1, -INFINITY}};
  p.bad_words = {{3, 2}};
  EXPECT_NO_THROW(validate(p, 100));
  p.eos_token_ids = {3};
  EXPECT_NO_THROW(validate(p, 100));
  p.min_tokens = 1;
  EXPECT_THROW(validate(p, 100), Error);
  p.min_tokens = 0;
  p.bad_words.push_back({3, 3});
  EXPECT_THROW(validate(p, 100), Error);
  p = {};
  for (TokenId id = 0; id < 4; ++id) p.logit_bias.emplace_back(id, -INFINITY);
  EXPECT_NO_THROW(validate(p, 5));
  EXPECT_THROW(validate(p, 4), Error);
}

TEST(SamplingParamsTest, BeamsSeeBehindTheEndTokensThatTheyPassOver) {
  SamplingParams p;
  p.beam_width = 3;
  p.eos_token_ids = {1, 2};
  p.stop_token_ids = {3};
  EXPECT_EQ(wanted_logprobs(p), 6);
  p.min_tokens = 1;
  EXPECT_EQ(wanted_logprobs(p), 9);
}

}  // namespace
}  // namespace ingot
