// Probe: beams fork a sequence. A fork shares pages, the first write into a shared page copies it,
// the streams are those of a search over whole token lists, and all pages come back.
#include <gtest/gtest.h>

#include <set>

#include "base/clock.h"
#include "runtime/loop.h"
#include "tests/runtime/oracle_streams.h"

namespace ingot {
namespace {

constexpr int64_t kPages = 24;

ModelLimits limits() {
  ModelLimits out;
  out.vocab_size = 61;
  out.max_seq_len = 192;
  out.max_batch_rows = 4;
  out.max_batch_tokens = 64;
  out.state_groups = {{"kv", KvKind::kPaged, kPages, 0}};
  return out;
}

// Checks at every step that a page which a row writes is read by no other row's forward. (Forks
// made in this step have no forward yet: they sample from their parent's logits.)
class PageWatch final : public ModelRunner {
 public:
  explicit PageWatch(ModelRunner& inner) : inner_(inner) {}
  const ModelLimits& limits() const override { return inner_.limits(); }
  void submit(const Batch& batch) override {
    copies += static_cast<int64_t>(batch.copies.size());
    std::map<PageId, std::set<size_t>> holders, readers;
    for (size_t r = 0; r < batch.rows.size(); ++r) {
      const int64_t pages = kv_blocks(batch.rows[r].context_len());
      for (int64_t p = 0; p < pages; ++p) {
        const PageId page = batch.table(0, r)[static_cast<size_t>(p)];
        holders[page].insert(r);
        if (batch.rows[r].query_len > 0) readers[page].insert(r);
      }
    }
    for (const auto& [page, rows] : holders) shared += rows.size() > 1;
    for (size_t r = 0; r < batch.rows.size(); ++r) {
      const BatchRow& row = batch.rows[r];
      if (row.query_len == 0) continue;
      for (int64_t p = row.first_position / kKvBlockTokens;
           p <= (row.context_len() - 1) / kKvBlockTokens; ++p) {
        EXPECT_EQ(readers[batch.table(0, r)[static_cast<size_t>(p)]].size(), 1u)
            << "step " << batch.step << " row " << r << " writes a shared page";
      }
    }
    inner_.submit(batch);
  }
  void collect(StepResult& result) override { inner_.collect(result); }
  int64_t copies = 0, shared = 0;

 private:
  ModelRunner& inner_;
};

using Streams = std::vector<std::vector<TokenId>>;

Streams run(const Request& request, PageWatch& watch) {
  FakeClock clock;
  LoopOptions options;
  options.scheduler.prefix_cache = false;
  Loop loop(watch, options, clock);
  Streams out(static_cast<size_t>(request.sampling.n));
  loop.generate(request, [&](const TokenEvent& event) {
    const auto tokens = event.token_span();
    auto& stream = out[static_cast<size_t>(event.choice)];
    stream.insert(stream.end(), tokens.begin(), tokens.end());
    loop.scheduler().check_invariants();
    return true;
  });
  loop.scheduler().kv().check_conserved({});
  EXPECT_EQ(loop.scheduler().kv().available(0), kPages);
  EXPECT_GT(loop.scheduler().stats().forks, 0);
  EXPECT_EQ(loop.scheduler().kv().stats().copies, watch.copies);
  return out;
}

Request make_request() {
  Request request;
  // One full page and a part of the next: forks share both, writes touch the second.
  for (TokenId t = 0; t < 43; ++t) request.prompt.push_back((t * 5) % 61);
  request.sampling.max_tokens = 30;
  request.sampling.eos_token_ids = {7};
  return request;
}

TEST(BeamFork, BeamsShareCopyAndGiveBack) {
  Request request = make_request();
  request.sampling.beam_width = 3;
  request.sampling.n = 3;
  OracleModel oracle(limits());
  PageWatch watch(oracle);
  const Streams found = run(request, watch);
  const auto expected = expected_beams(limits(), 192, request);
  ASSERT_EQ(expected.size(), 3u);
  for (size_t c = 0; c < 3; ++c) EXPECT_EQ(found[c], expected[c].tokens) << c;
  EXPECT_GT(watch.shared, 0);
  EXPECT_GT(watch.copies, 0);
}

TEST(BeamFork, ChoicesShareThePrompt) {
  Request request = make_request();
  request.sampling.n = 4;
  request.sampling.seed = 11;
  OracleModel oracle(limits());
  PageWatch watch(oracle);
  const Streams found = run(request, watch);
  for (int32_t c = 0; c < 4; ++c) {
    EXPECT_EQ(found[static_cast<size_t>(c)], expected_stream(limits(), 192, request, c).tokens);
  }
  EXPECT_GT(watch.shared, 0);
  EXPECT_GE(watch.copies, 3);  // all but the last writer of the shared page copy it
}

// The check itself can fail: a page corrupted behind the fork changes a stream.
TEST(BeamFork, ACorruptedSharedPageShows) {
  Request request = make_request();
  request.sampling.n = 4;
  OracleModel oracle(limits());
  oracle.on_collect = [&](int64_t step) {
    if (step != 3) return;
    for (PageId page = 0; page < kPages; ++page) oracle.corrupt(0, page);
  };
  PageWatch watch(oracle);
  const Streams found = run(request, watch);
  int different = 0;
  for (int32_t c = 0; c < 4; ++c) {
    different += found[static_cast<size_t>(c)] != expected_stream(limits(), 192, request, c).tokens;
  }
  EXPECT_GT(different, 0);
}

}  // namespace
}  // namespace ingot
