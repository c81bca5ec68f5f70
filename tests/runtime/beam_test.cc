// Beam search where most candidates end: beams are lost and grow back.
#include <gtest/gtest.h>

#include "base/random.h"
#include "runtime/loop.h"
#include "tests/runtime/oracle_streams.h"

namespace ingot {
namespace {

ModelLimits beam_limits(int64_t vocabulary, int64_t pages) {
  ModelLimits limits;
  limits.vocab_size = vocabulary;
  limits.max_seq_len = 128;
  limits.max_batch_rows = 6;
  limits.max_batch_tokens = 64;
  limits.state_groups = {{"kv", KvKind::kPaged, pages, 0}};
  return limits;
}

// Streams and finish reasons of all choices; invariants after every step.
void check_beams(const ModelLimits& limits, const std::vector<Request>& requests) {
  OracleModel model(limits);
  FakeClock clock;
  Loop loop(model, {}, clock);
  std::vector<std::shared_ptr<Outbox>> boxes;
  for (const Request& request : requests) boxes.push_back(loop.submit(request));
  for (int steps = 0; loop.step(); ++steps) {
    loop.scheduler().check_invariants();
    ASSERT_LT(steps, 20000) << "no end in sight";
  }
  const int64_t room = std::min(limits.max_seq_len, loop.scheduler().kv().capacity_tokens());
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto want = expected_beams(limits, room, requests[i]);
    std::vector<ExpectedStream> got(want.size());
    while (const TokenEvent* event = boxes[i]->poll()) {
      auto& stream = got.at(static_cast<size_t>(event->choice));
      for (TokenId t : event->token_span()) stream.tokens.push_back(t);
      stream.finish = event->finish;
    }
    for (size_t c = 0; c < want.size(); ++c) {
      EXPECT_EQ(got[c].tokens, want[c].tokens) << "request " << i << " choice " << c;
      EXPECT_EQ(finish_reason_name(got[c].finish), finish_reason_name(want[c].finish));
    }
  }
}

Request beam_request(uint64_t seed, int64_t vocabulary) {
  uint64_t draws = 0;
  auto below = [&](int64_t n) {
    return static_cast<int64_t>(random_below(seed, draws++, static_cast<uint64_t>(n)));
  };
  Request request;
  for (int64_t i = 1 + below(40); i > 0; --i) {
    request.prompt.push_back(static_cast<TokenId>(below(vocabulary)));
  }
  SamplingParams& p = request.sampling;
  p.max_tokens = 40;
  p.beam_width = static_cast<int32_t>(2 + below(3));
  p.n = p.beam_width;
  p.length_penalty = 2;  // long answers win: the search goes on after the first ends
  for (TokenId t = 0; t < vocabulary; ++t) {
    if (below(100) < 60) p.stop_token_ids.push_back(t);
  }
  return request;
}

TEST(Beam, ASearchThatLostBeamsGrowsBack) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    const int64_t vocabulary = 6 + static_cast<int64_t>(seed % 20);
    const ModelLimits limits = beam_limits(vocabulary, seed % 2 ? 24 : 6);
    check_beams(limits, {beam_request(3 * seed, vocabulary), beam_request(3 * seed + 1, vocabulary),
                         beam_request(3 * seed + 2, vocabulary)});
    if (testing::Test::HasFailure()) return;
  }
}

TEST(Beam, NoEndTokenIsTakenAmongTheFirstMinTokens) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    const ModelLimits limits = beam_limits(40, 24);
    Request request = beam_request(1000 + seed, 40);
    SamplingParams& p = request.sampling;
    p.stop_token_ids.resize(p.stop_token_ids.size() / 3);
    p.min_tokens = 6;
    check_beams(limits, {request});
    OracleModel model(limits);
    FakeClock clock;
    Loop loop(model, {}, clock);
    std::vector<int64_t> taken(static_cast<size_t>(p.n));
    loop.generate(request, [&](const TokenEvent& event) {
      for (TokenId t : event.token_span()) {
        const bool early = ++taken[static_cast<size_t>(event.choice)] <= p.min_tokens;
        EXPECT_FALSE(early && is_end_token(p, t)) << "token " << t;
      }
      return true;
    });
  }
}

// More of the best tokens end than beams could take: those behind them go on.
TEST(Beam, EndTokensThatArePassedOverLeaveCandidates) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    Request request = beam_request(2000 + seed, 40);
    SamplingParams& p = request.sampling;
    p.stop_token_ids.clear();
    for (TokenId t = 0; t < 38; ++t) p.stop_token_ids.push_back(t);
    p.min_tokens = 6;
    check_beams(beam_limits(40, 24), {request});
  }
}

TEST(Beam, WhereOnlyEndTokensAreLeftTooEarlyThereIsNoAnswer) {
  for (const int64_t max_tokens : {1, 40}) {
    Request request = beam_request(1, 40);
    SamplingParams& p = request.sampling;
    p.max_tokens = max_tokens;
    p.beam_width = 3;
    p.n = 2;
    p.min_tokens = 1;
    p.stop_token_ids.clear();
    for (TokenId t = 0; t < 40; ++t) p.eos_token_ids.push_back(t);
    check_beams(beam_limits(40, 24), {request});
    OracleModel model(beam_limits(40, 24));
    FakeClock clock;
    Loop loop(model, {}, clock);
    int ends = 0;
    loop.generate(request, [&](const TokenEvent& event) {
      EXPECT_EQ(event.finish, FinishReason::kBadLogits);
      EXPECT_EQ(event.count, 0);
      ++ends;
      return true;
    });
    EXPECT_EQ(ends, 2);
  }
}

}  // namespace
}  // namespace ingot
