// Deterministic simulator: random arrivals, priorities, cancels, deadlines, pool sizes, shared
// prefixes, choices, beams and speculation on the oracle model, under a fake clock. After every
// step all invariants; at the end every stream equals the one worked out without KV pages.
// INGOT_SIM_SEEDS sets the number of seeds, INGOT_SIM_FIRST the first.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "base/check.h"
#include "base/random.h"
#include "runtime/loop.h"
#include "runtime/oracle_model.h"
#include "tests/runtime/oracle_streams.h"

namespace ingot {
namespace {

struct Random {
  uint64_t seed;
  uint64_t counter = 0;
  int64_t below(int64_t n) {
    return static_cast<int64_t>(random_below(seed, counter++, static_cast<uint64_t>(n)));
  }
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }
  bool chance(int64_t percent) { return below(100) < percent; }
};

// Guesses from the oracle itself, sometimes spoiled.
class OracleDrafts final : public DraftSource {
 public:
  OracleDrafts(const ModelLimits& limits, uint64_t seed) : limits_(limits), random_{seed} {}
  int draft(const Sequence& s, int most, TokenId* out) override {
    const int count = static_cast<int>(random_.between(0, most));
    std::vector<TokenId> tokens = s.tokens;
    for (int i = 0; i < count; ++i) {
      TokenId token = oracle_next(limits_, tokens, *s.request, s.choice);
      if (random_.chance(30)) token = static_cast<TokenId>((token + 1) % limits_.vocab_size);
      tokens.push_back(token);
      out[i] = token;
    }
    return count;
  }

 private:
  ModelLimits limits_;
  Random random_;
};

struct Totals {
  SchedulerStats stats;
  KvStats kv;
  int64_t requests = 0, tokens = 0, beams = 0, masked = 0, scored = 0;
};

struct Client {
  std::shared_ptr<Outbox> outbox;
  std::vector<std::vector<TokenId>> streams;
  std::vector<FinishReason> finish;
  std::vector<TokenLogprobs> prompt_logprobs;
  int64_t done_events = 0;
  int64_t head_since = -1;
  bool done() const { return done_events > 0; }
};

class Simulation {
 public:
  explicit Simulation(uint64_t seed) : random_{seed * 7919 + 1} {
    limits_.vocab_size = random_.between(16, 120);
    limits_.max_seq_len = random_.between(40, 320);
    limits_.max_batch_rows = random_.between(2, 12);
    limits_.max_batch_tokens = limits_.max_batch_rows + random_.between(1, 96);
    limits_.max_prompt_logits = random_.chance(60) ? random_.between(2, 40) : 0;
    const int64_t pages = random_.between(4, 40);
    const int64_t window = random_.between(8, 100);
    const int64_t window_pages = (window + 31) / 32 + 2 + random_.between(0, 12);
    const int64_t slots = limits_.max_batch_rows + random_.between(0, 4);
    switch (random_.below(6)) {
      case 0:
        limits_.state_groups = {{"full", KvKind::kPaged, pages, 0},
                                {"window", KvKind::kWindowed, window_pages, window}};
        break;
      case 1:
        limits_.state_groups = {{"window", KvKind::kWindowed, window_pages, window}};
        break;
      case 2:
        limits_.state_groups = {{"full", KvKind::kPaged, pages, 0},
                                {"state", KvKind::kFixed, slots, 0}};
        break;
      default:
        limits_.state_groups = {{"full", KvKind::kPaged, pages, 0}};
    }
    options_.overlap = random_.chance(60);
    options_.scheduler.prefix_cache = random_.chance(80);
    options_.scheduler.max_chunk = random_.chance(50) ? random_.between(1, 64) : 0;
    if (random_.chance(30)) {
      drafts_ = std::make_unique<OracleDrafts>(limits_, seed);
      options_.scheduler.drafts = drafts_.get();
    }
    runner_ = std::make_unique<OracleModel>(limits_);
    loop_ = std::make_unique<Loop>(*runner_, options_, clock_);
    room_ = std::min(limits_.max_seq_len, loop_->scheduler().kv().capacity_tokens());
    for (int i = 0; i < 3; ++i) {
      prefixes_.emplace_back();
      for (int64_t t = random_.between(20, 160); t > 0; --t) prefixes_.back().push_back(token());
    }
  }

  void run(Totals& totals) {
    const int64_t count = random_.between(8, 30);
    int64_t submitted = 0, step = 0, work = 0;
    while (submitted < count || !all_done()) {
      while (submitted < count && random_.chance(35)) {
        const Request request = make_request();
        const SamplingParams& p = request.sampling;
        work += static_cast<int64_t>(request.prompt.size()) +
                p.max_tokens * std::max(p.n, p.beam_width);
        submit(request);
        ++submitted;
      }
      if (random_.chance(3) && !clients_.empty()) {
        clients_[static_cast<size_t>(random_.below(static_cast<int64_t>(clients_.size())))]
            .outbox->cancel();
      }
      clock_.advance_ns(random_.between(0, 2'000'000));
      loop_->step();
      loop_->scheduler().check_invariants();
      for (Client& client : clients_) read(client);
      check_head(step);
      ASSERT_LT(++step, 400 + 40 * work) << "no end in sight";
      if (testing::Test::HasFailure()) return;
    }
    int surplus = 0;  // steps in flight for sequences that have ended
    while (loop_->step()) ASSERT_LT(++surplus, 4);
    ASSERT_TRUE(loop_->scheduler().idle());
    loop_->scheduler().check_invariants();
    for (const Client& client : clients_) check_streams(client, totals);
    add(totals);
  }

 private:
  TokenId token() { return static_cast<TokenId>(random_.below(limits_.vocab_size)); }

  Request make_request() {
    Request r;
    if (random_.chance(60)) {
      const auto& prefix = prefixes_[static_cast<size_t>(random_.below(3))];
      const auto taken = random_.between(1, static_cast<int64_t>(prefix.size()));
      r.prompt.assign(prefix.begin(), prefix.begin() + taken);
    }
    const int64_t tail = random_.chance(3) ? limits_.max_seq_len : random_.between(1, 40);
    for (int64_t i = 0; i < tail; ++i) r.prompt.push_back(token());
    SamplingParams& p = r.sampling;
    p.max_tokens = random_.between(1, 60);
    p.seed = static_cast<uint64_t>(random_.below(4));
    if (random_.chance(40)) p.eos_token_ids = {token(), token()};
    if (random_.chance(20)) p.stop_token_ids = {token()};
    p.ignore_eos = random_.chance(10);
    p.min_tokens = random_.chance(20) ? random_.between(0, p.max_tokens) : 0;
    if (random_.chance(20)) p.n = static_cast<int32_t>(random_.between(2, 4));
    if (random_.chance(8)) {
      p.beam_width = static_cast<int32_t>(random_.between(2, 4));
      p.n = static_cast<int32_t>(random_.between(1, p.beam_width));
      p.length_penalty = random_.chance(50) ? 1.0 : 0.5;
    }
    if (random_.chance(10)) p.logprobs = 2;
    if (p.beam_width == 1 && random_.chance(15)) add_masks(p);
    if (random_.chance(12)) p.prompt_logprobs = static_cast<int32_t>(random_.below(3));
    if (random_.chance(p.prompt_logprobs >= 0 ? 40 : 1)) p.max_tokens = p.min_tokens = 0;
    r.priority = static_cast<int32_t>(random_.below(3));
    r.tenant_salt.low = static_cast<uint64_t>(random_.below(2));
    if (random_.chance(10)) r.deadline_ns = clock_.now_ns() + random_.between(0, 60'000'000);
    return r;
  }

  // Few tokens are left, so that bad words match.
  void add_masks(SamplingParams& p) {
    std::set<TokenId> allowed;
    while (allowed.size() < 6) allowed.insert(token());
    p.allowed_token_ids.assign(allowed.begin(), allowed.end());
    if (random_.chance(50)) p.logit_bias = {{p.allowed_token_ids[0], -INFINITY}};
    if (random_.chance(70)) {
      p.bad_words = {{p.allowed_token_ids[1], p.allowed_token_ids[3]},
                     {p.allowed_token_ids[2], p.allowed_token_ids[1], p.allowed_token_ids[4]}};
    }
    if (random_.chance(30)) p.allowed_token_ids.clear();
    p.min_tokens = 0;  // end tokens may be all that is allowed
    validate(p, limits_.vocab_size);
    ++masked_;
  }

  void check_masks(const SamplingParams& p, const std::vector<TokenId>& got) const {
    for (const TokenId t : got) {
      for (const auto& bias : p.logit_bias) ASSERT_NE(t, bias.first);
      if (p.allowed_token_ids.empty()) continue;
      ASSERT_EQ(std::count(p.allowed_token_ids.begin(), p.allowed_token_ids.end(), t), 1);
    }
    for (const auto& word : p.bad_words) {
      ASSERT_EQ(std::search(got.begin(), got.end(), word.begin(), word.end()), got.end());
    }
  }

  void submit(const Request& request) {
    Client client;
    client.outbox = loop_->submit(request);
    client.streams.resize(static_cast<size_t>(request.sampling.n));
    client.finish.resize(client.streams.size(), FinishReason::kNone);
    clients_.push_back(std::move(client));
  }

  void read(Client& client) {
    while (const TokenEvent* event = client.outbox->poll()) {
      const auto c = static_cast<size_t>(event->choice);
      ASSERT_LT(c, client.streams.size());
      ASSERT_EQ(client.finish[c], FinishReason::kNone) << "event after a choice's end";
      ASSERT_FALSE(client.done());
      for (TokenId t : event->token_span()) client.streams[c].push_back(t);
      const SamplingParams& p = client.outbox->request().sampling;
      if (!event->prompt_logprobs.empty()) {
        ASSERT_EQ(c, 0u);
        for (const auto& stream : client.streams) ASSERT_TRUE(stream.empty());
      }
      for (const TokenLogprobs& one : event->prompt_logprobs) {
        client.prompt_logprobs.push_back(one);
      }
      if (p.logprobs >= 0 && p.beam_width == 1) {
        ASSERT_EQ(event->logprobs.size(), event->count);
      }
      client.finish[c] = event->finish;
      if (event->request_done) ++client.done_events;
    }
  }

  // Bounded wait: the first live request in the order of service ends within a few steps for each
  // of its tokens, whatever the others do.
  void check_head(int64_t step) {
    Client* head = nullptr;
    for (Client& client : clients_) {
      const bool first =
          head == nullptr || client.outbox->request().priority < head->outbox->request().priority;
      if (!client.done() && first) head = &client;
    }
    for (Client& client : clients_) {
      if (&client != head) client.head_since = -1;
    }
    if (head == nullptr) return;
    if (head->head_since < 0) head->head_since = step;
    const Request& r = head->outbox->request();
    const int64_t width = std::max(r.sampling.n, r.sampling.beam_width);
    const auto length = static_cast<int64_t>(r.prompt.size()) + r.sampling.max_tokens;
    // Choices may preempt each other in a small pool, and then recompute.
    const int64_t bound = width == 1 ? 4 * length + 20 : 8 * width * width * length + 20;
    ASSERT_LT(step - head->head_since, bound) << "request " << r.id << " waits";
  }

  bool all_done() const {
    return std::all_of(clients_.begin(), clients_.end(), [](const Client& c) { return c.done(); });
  }

  void check_streams(const Client& client, Totals& totals) {
    const Request& r = client.outbox->request();
    const SamplingParams& p = r.sampling;
    ASSERT_EQ(client.done_events, 1);
    const bool fits = static_cast<int64_t>(r.prompt.size()) < room_ &&
                      std::max(p.n, p.beam_width) <= limits_.max_batch_rows;
    ++totals.requests;
    totals.beams += p.beam_width > 1;
    if (fits) check_prompt(client, totals);
    std::vector<ExpectedStream> beams;
    if (fits && p.beam_width > 1) beams = expected_beams(limits_, room_, r);
    for (size_t c = 0; c < client.streams.size(); ++c) {
      const auto& got = client.streams[c];
      totals.tokens += static_cast<int64_t>(got.size());
      if (!fits) {
        ASSERT_EQ(client.finish[c], FinishReason::kTooLong);
        continue;
      }
      const ExpectedStream want =
          p.beam_width > 1 ? beams[c] : expected_stream(limits_, room_, r, static_cast<int32_t>(c));
      check_masks(p, got);
      const bool cut = client.finish[c] == FinishReason::kCancelled ||
                       client.finish[c] == FinishReason::kTimeout;
      if (cut) {
        ASSERT_LE(got.size(), want.tokens.size());
        ASSERT_TRUE(std::equal(got.begin(), got.end(), want.tokens.begin()));
      } else {
        const auto [at, other] =
            std::mismatch(got.begin(), got.end(), want.tokens.begin(), want.tokens.end());
        ASSERT_EQ(got, want.tokens)
            << "request " << r.id << " choice " << c << " of " << p.n << ", beam width "
            << p.beam_width << ", prompt " << r.prompt.size() << ", first difference at "
            << at - got.begin() << ", found " << got.size() << ", expected " << want.tokens.size()
            << " tokens, finish " << finish_reason_name(client.finish[c]);
        ASSERT_EQ(finish_reason_name(client.finish[c]), finish_reason_name(want.finish));
      }
    }
  }

  void check_prompt(const Client& client, Totals& totals) const {
    const Request& r = client.outbox->request();
    const auto& got = client.prompt_logprobs;
    if (r.sampling.prompt_logprobs < 0) {
      ASSERT_TRUE(got.empty());
      return;
    }
    const bool cut =
        client.finish[0] == FinishReason::kCancelled || client.finish[0] == FinishReason::kTimeout;
    ASSERT_LE(got.size(), r.prompt.size() - 1);
    if (!cut) ASSERT_EQ(got.size(), r.prompt.size() - 1);
    const auto count = static_cast<size_t>(r.sampling.prompt_logprobs);
    for (size_t i = 0; i < got.size(); ++i) {
      const auto before = std::span(r.prompt).first(i + 1);
      ASSERT_EQ(got[i].chosen, oracle_logprob(limits_, before, r.prompt[i + 1])) << i;
      ASSERT_EQ(got[i].top, oracle_top(limits_, before, count)) << i;
    }
    totals.scored += static_cast<int64_t>(got.size());
  }

  void add(Totals& t) const {
    const SchedulerStats& s = loop_->scheduler().stats();
    t.masked += masked_;
    t.stats.steps += s.steps;
    t.stats.rows += s.rows;
    t.stats.preemptions += s.preemptions;
    t.stats.prefix_hits += s.prefix_hits;
    t.stats.prefix_hit_tokens += s.prefix_hit_tokens;
    t.stats.cancels += s.cancels;
    t.stats.timeouts += s.timeouts;
    t.stats.refused += s.refused;
    t.stats.forks += s.forks;
    t.stats.drafted += s.drafted;
    t.stats.accepted += s.accepted;
    t.stats.dropped += s.dropped;
    t.kv.evictions += loop_->scheduler().kv().stats().evictions;
    t.kv.copies += loop_->scheduler().kv().stats().copies;
  }

  Random random_;
  ModelLimits limits_;
  LoopOptions options_;
  FakeClock clock_;
  std::unique_ptr<OracleDrafts> drafts_;
  std::unique_ptr<OracleModel> runner_;
  std::unique_ptr<Loop> loop_;
  int64_t room_ = 0;
  int64_t masked_ = 0;  // requests
  std::vector<std::vector<TokenId>> prefixes_;
  std::vector<Client> clients_;
};

int64_t from_environment(const char* name, int64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoll(text, nullptr, 10);
}

TEST(Simulator, EveryStreamIsTheOraclesUnderRandomLoad) {
  const ChecksThrow scope;  // so that a broken invariant is reported with its seed
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr int64_t kSeeds = 100;  // sanitizers cost a factor of ten
#else
  constexpr int64_t kSeeds = 1000;
#endif
  const int64_t seeds = from_environment("INGOT_SIM_SEEDS", kSeeds);
  const int64_t first = from_environment("INGOT_SIM_FIRST", 0);
  Totals t;
  for (int64_t seed = first; seed < first + seeds; ++seed) {
    SCOPED_TRACE("rerun with INGOT_SIM_SEEDS=1 INGOT_SIM_FIRST=" + std::to_string(seed));
    try {
      Simulation(static_cast<uint64_t>(seed)).run(t);
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    if (HasFatalFailure() || HasNonfatalFailure()) break;
  }
  fmt::print(
      "simulator: {} seeds, {} requests ({} beam, {} masked), {} tokens, {} of prompts scored, {} "
      "steps, {} rows\n"
      "  preemptions {}  evictions {}  prefix hits {} ({} tokens)  cancels {}  timeouts {}\n"
      "  too long {}  forks {}  page copies {}  drafted {}  accepted {}  dropped {}\n",
      seeds, t.requests, t.beams, t.masked, t.tokens, t.scored, t.stats.steps, t.stats.rows,
      t.stats.preemptions, t.kv.evictions, t.stats.prefix_hits, t.stats.prefix_hit_tokens,
      t.stats.cancels, t.stats.timeouts, t.stats.refused, t.stats.forks, t.kv.copies,
      t.stats.drafted, t.stats.accepted, t.stats.dropped);
  if (seeds < 50) return;  // a few seeds need not meet everything
  EXPECT_GT(t.masked, 0);
  EXPECT_GT(t.scored, 0);
  EXPECT_GT(t.stats.preemptions, 0);
  EXPECT_GT(t.kv.evictions, 0);
  EXPECT_GT(t.stats.prefix_hits, 0);
  EXPECT_GT(t.stats.cancels, 0);
  EXPECT_GT(t.stats.timeouts, 0);
  EXPECT_GT(t.stats.refused, 0);
  EXPECT_GT(t.stats.forks, 0);
  EXPECT_GT(t.kv.copies, 0);
  EXPECT_GT(t.stats.accepted, 0);
  EXPECT_LT(t.stats.accepted, t.stats.drafted);
  EXPECT_GT(t.stats.dropped, 0);
}

}  // namespace
}  // namespace ingot
