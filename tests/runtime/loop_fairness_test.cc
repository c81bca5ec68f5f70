// Shares of tenants through the loop, on the oracle model: bounds that hold at every step whatever
// the load is, and that serving by arrival breaks. Prefix caches are off: what is found in one
// costs nothing, and the counts here are of prompts.
#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <numeric>

#include "tests/runtime/harness.h"

namespace ingot {
namespace {

constexpr int64_t kMostTokens = 40;  // of an answer
constexpr int64_t kMostPrompt = 60;

struct Ticket {
  std::shared_ptr<Outbox> outbox;
  int64_t tenant = 0;
  int64_t others_before = 0;  // tokens of other tenants when it was submitted
  bool first = true;          // no token has come
};

class Shares {
 public:
  Shares(uint64_t seed, bool fair) : random_{seed} {
    limits_.vocab_size = 64;
    limits_.max_seq_len = 256;
    limits_.max_batch_rows = random_.between(2, 4);
    limits_.max_batch_tokens = limits_.max_batch_rows + random_.between(8, 64);
    // From what four sequences need to so little that they preempt each other.
    limits_.state_groups = {{"kv", KvKind::kPaged, random_.between(5, 16), 0}};
    LoopOptions options;
    options.overlap = random_.chance(50);
    options.scheduler.fair = fair;
    options.scheduler.prefix_cache = false;
    tenants_ = random_.between(2, 4);
    served_.resize(static_cast<size_t>(tenants_));
    tokens_.resize(served_.size());
    model_ = std::make_unique<OracleModel>(limits_);
    loop_ = std::make_unique<Loop>(*model_, options, clock_);
  }

  void submit(int64_t tenant, int64_t prompt, int64_t tokens) {
    Request r;
    for (int64_t i = 0; i < prompt; ++i)
      r.prompt.push_back(static_cast<TokenId>(random_.below(64)));
    r.sampling.max_tokens = tokens;
    r.tenant = static_cast<uint64_t>(tenant);
    live_.push_back({loop_->submit(std::move(r)), tenant, others(tenant), true});
  }

  void step() {
    loop_->step();
    loop_->scheduler().check_invariants();
    for (Ticket& one : live_) {
      const auto t = static_cast<size_t>(one.tenant);
      while (const TokenEvent* event = one.outbox->poll()) {
        tokens_[t] += event->count;
        served_[t] += 2 * event->count;
        if (event->count == 0 || !one.first) continue;
        one.first = false;
        served_[t] += static_cast<int64_t>(one.outbox->request().prompt.size());
        const int64_t waited = others(one.tenant) - one.others_before;
        if (one.tenant > 0) longest_wait_ = std::max(longest_wait_, waited);
      }
    }
    live_.remove_if([](const Ticket& one) { return one.outbox->done(); });
  }

  int64_t live(int64_t tenant) const {
    return std::count_if(live_.begin(), live_.end(),
                         [&](const Ticket& one) { return one.tenant == tenant; });
  }
  int64_t others(int64_t tenant) const {
    return std::accumulate(tokens_.begin(), tokens_.end(), int64_t{0}) -
           tokens_[static_cast<size_t>(tenant)];
  }
  Random& random() { return random_; }
  int64_t tenants() const { return tenants_; }
  int64_t rows() const { return limits_.max_batch_rows; }
  int64_t served(int64_t tenant) const { return served_[static_cast<size_t>(tenant)]; }
  int64_t preemptions() const { return loop_->scheduler().stats().preemptions; }
  int64_t longest_wait() const { return longest_wait_; }

 private:
  Random random_;
  ModelLimits limits_;
  FakeClock clock_;
  std::unique_ptr<OracleModel> model_;
  std::unique_ptr<Loop> loop_;
  std::list<Ticket> live_;
  int64_t tenants_ = 0;
  std::vector<int64_t> served_, tokens_;
  int64_t longest_wait_ = 0;
};

// Tenant 0 has 100 requests waiting at all times, the others come with one now and then.
int64_t wait_behind_a_flood(Shares& shares) {
  for (int step = 0; step < 400; ++step) {
    while (shares.live(0) < 100) {
      shares.submit(0, shares.random().between(1, kMostPrompt),
                    shares.random().between(1, kMostTokens));
    }
    for (int64_t t = 1; t < shares.tenants(); ++t) {
      if (shares.live(t) > 0 || !shares.random().chance(10)) continue;
      shares.submit(t, shares.random().between(1, kMostPrompt), kMostTokens / 2);
    }
    shares.step();
  }
  return shares.longest_wait();
}

// What runs may end, and a turn of each other tenant; twice, since a prompt may be preempted.
int64_t wait_bound(const Shares& shares) {
  return 2 * (shares.rows() + shares.tenants()) * kMostTokens;
}

TEST(LoopFairness, AFloodDelaysAnotherTenantByATurn) {
  int broken_by_arrival = 0;
  int64_t preemptions = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Shares fair(seed, true), by_arrival(seed, false);
    EXPECT_LE(wait_behind_a_flood(fair), wait_bound(fair)) << "seed " << seed;
    preemptions += fair.preemptions();
    // The check can fail: at the end of the line one waits for all of the flood.
    broken_by_arrival +=
        wait_behind_a_flood(by_arrival) > wait_bound(by_arrival) || by_arrival.longest_wait() == 0;
  }
  EXPECT_EQ(broken_by_arrival, 40);
  EXPECT_GT(preemptions, 0);
}

// Each has work at all times, of its own kind: long prompts, long answers, or little.
int64_t widest_gap(Shares& shares) {
  int64_t widest = 0;
  for (int step = 0; step < 1200; ++step) {
    for (int64_t t = 0; t < shares.tenants(); ++t) {
      while (shares.live(t) < 12) {
        shares.submit(t, t % 2 == 0 ? kMostPrompt : 4, t < 2 ? kMostTokens : 5);
      }
    }
    shares.step();
    for (int64_t t = 1; t < shares.tenants(); ++t) {
      widest = std::max(widest, std::abs(shares.served(t) - shares.served(0)));
    }
  }
  return widest;
}

TEST(LoopFairness, TenantsThatAlwaysWaitGetEqualShares) {
  int broken_by_arrival = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Shares fair(seed, true), by_arrival(seed, false);
    // One tenant's requests may fill all rows before another's turn comes.
    const int64_t bound = 2 * fair.rows() * (kMostPrompt + 2 * kMostTokens);
    EXPECT_LE(widest_gap(fair), bound) << "seed " << seed;
    broken_by_arrival += widest_gap(by_arrival) > bound;
  }
  EXPECT_GT(broken_by_arrival, 10);
}

}  // namespace
}  // namespace ingot
