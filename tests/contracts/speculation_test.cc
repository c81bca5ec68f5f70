// Probe: speculation. A draft source guesses four tokens, two of them right: the row commits three
// tokens and truncates two. The stream is the plain one, and every page comes back.
#include <gtest/gtest.h>

#include "base/clock.h"
#include "runtime/loop.h"
#include "runtime/oracle_model.h"

namespace ingot {
namespace {

constexpr int kGuesses = 4, kRight = 2;

ModelLimits limits() { return {101, 256, 4, 64, {{"kv", KvKind::kPaged, 12, 0}}}; }

class HalfRightDrafts final : public DraftSource {
 public:
  int draft(const Sequence& s, int most, TokenId* out) override {
    const ModelLimits model = limits();
    std::vector<TokenId> tokens = s.tokens;
    const int count = std::min(most, kGuesses);
    for (int i = 0; i < count; ++i) {
      TokenId token = oracle_next(model, tokens, s.request->sampling.seed, s.choice);
      if (i >= kRight) token = static_cast<TokenId>((token + 1) % model.vocab_size);
      tokens.push_back(token);
      out[i] = token;
    }
    return count;
  }
};

// Passes everything on and keeps what each step asked for and gave.
class Recorder final : public ModelRunner {
 public:
  struct Row {
    int64_t first_position;
    int32_t query_len, draft_len, committed;
  };
  explicit Recorder(ModelRunner& inner) : inner_(inner) {}
  const ModelLimits& limits() const override { return inner_.limits(); }
  void submit(const Batch& batch) override {
    for (const BatchRow& row : batch.rows) {
      rows.push_back({row.first_position, row.query_len, row.draft_len, 0});
    }
    inner_.submit(batch);
  }
  void collect(StepResult& result) override {
    inner_.collect(result);
    for (const RowResult& row : result.rows) rows[collected_++].committed = row.count;
  }
  std::vector<Row> rows;

 private:
  ModelRunner& inner_;
  size_t collected_ = 0;
};

Request make_request() {
  Request request;
  for (TokenId t = 0; t < 29; ++t) request.prompt.push_back((t * 7) % 101);
  request.sampling.max_tokens = 60;  // crosses page borders at 32 and 64 positions
  request.sampling.ignore_eos = true;
  return request;
}

std::vector<TokenId> stream(Loop& loop) {
  std::vector<TokenId> out;
  int finishes = 0;
  loop.generate(make_request(), [&](const TokenEvent& event) {
    const auto tokens = event.token_span();
    out.insert(out.end(), tokens.begin(), tokens.end());
    finishes += event.request_done;
    loop.scheduler().check_invariants();
    return true;
  });
  EXPECT_EQ(finishes, 1);
  return out;
}

TEST(Speculation, CommitsThreeAndTruncatesTwo) {
  std::vector<TokenId> plain, tokens = make_request().prompt;
  for (int i = 0; i < 60; ++i) {
    plain.push_back(oracle_next(limits(), tokens, 0, 0));
    tokens.push_back(plain.back());
  }

  HalfRightDrafts drafts;
  OracleModel oracle(limits());
  Recorder recorder(oracle);
  FakeClock clock;
  LoopOptions options;
  options.scheduler.prefix_cache = false;
  options.scheduler.drafts = &drafts;
  Loop loop(recorder, options, clock);
  EXPECT_EQ(stream(loop), plain);

  int three_of_five = 0;
  for (size_t i = 0; i + 1 < recorder.rows.size(); ++i) {
    const Recorder::Row& row = recorder.rows[i];
    if (row.draft_len != kGuesses || row.committed != kRight + 1) continue;
    ++three_of_five;
    // Five positions were written; three stay, and the next row begins right behind them.
    EXPECT_EQ(row.query_len, kGuesses + 1);
    EXPECT_EQ(recorder.rows[i + 1].first_position, row.first_position + kRight + 1);
  }
  EXPECT_GE(three_of_five, 15);  // of 60 tokens, 3 a step
  const SchedulerStats& stats = loop.scheduler().stats();
  EXPECT_GT(stats.accepted, 0);
  EXPECT_GE(stats.drafted - stats.accepted, 2 * three_of_five);
  loop.scheduler().kv().check_conserved({});
  EXPECT_EQ(loop.scheduler().kv().available(0), 12);

  // A run without guesses is the same loop and gives the same tokens.
  OracleModel again(limits());
  Loop quiet(again, {}, clock);
  EXPECT_EQ(stream(quiet), plain);
}

}  // namespace
}  // namespace ingot
