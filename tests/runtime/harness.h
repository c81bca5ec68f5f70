// One seed of the simulator: a loop over the oracle model under a fake clock, with random limits,
// options, requests, cancels and faults. run() steps until the load is over; it throws Error, or
// fails the test, at the first step that breaks a rule.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/random.h"
#include "runtime/loop.h"
#include "runtime/oracle_model.h"

namespace ingot {

struct Random {
  uint64_t seed;
  uint64_t counter = 0;
  int64_t below(int64_t n) {
    return static_cast<int64_t>(random_below(seed, counter++, static_cast<uint64_t>(n)));
  }
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }
  bool chance(int64_t percent) { return below(100) < percent; }
};

// What happened in all seeds, so that a test can see that everything did.
struct SimulationTotals {
  SchedulerStats stats;
  KvStats kv;
  int64_t seeds = 0, steps = 0, rows = 0, requests = 0, tokens = 0;
  int64_t beams = 0, masked = 0, scored = 0, logprobs = 0, minimums = 0, stopped = 0;
  int64_t overloaded = 0, faults = 0, faulted = 0, tenants = 0;
  std::map<KvKind, int64_t> groups;  // seeds with a group of this kind
};

// Passes steps on; sometimes fails one, or a row of it.
class FaultyRunner final : public ModelRunner {
 public:
  FaultyRunner(const ModelLimits& limits, uint64_t seed, int64_t percent)
      : oracle_(limits), random_{seed * 31 + 7}, percent_(percent) {}
  const ModelLimits& limits() const override { return oracle_.limits(); }
  void submit(const Batch& batch) override;
  void collect(StepResult& result) override;
  int64_t faults() const { return faults_; }
  int64_t rows() const { return rows_; }

 private:
  bool fault();
  OracleModel oracle_;
  Random random_;
  int64_t percent_;
  int64_t faults_ = 0, rows_ = 0;
};

class Simulation {
 public:
  explicit Simulation(uint64_t seed);
  ~Simulation();
  void run(SimulationTotals& totals);

 private:
  struct Client {
    std::shared_ptr<Outbox> outbox;
    std::vector<std::vector<TokenId>> streams;
    std::vector<std::vector<TokenLogprobs>> logprobs;
    std::vector<FinishReason> finish;
    std::vector<TokenLogprobs> prompt_logprobs;
    int64_t done_events = 0;
    int64_t head_since = -1;
    int64_t cached = 0;  // tokens of the prompt that were found
    bool cancelled = false;
    int64_t stalled_until = -1;  // step; until then it reads nothing, and says so
    bool done() const { return done_events > 0; }
  };

  TokenId token() { return static_cast<TokenId>(random_.below(limits_.vocab_size)); }
  void make_groups();
  void make_options(uint64_t seed);
  Request make_request();
  void add_masks(SamplingParams& p);
  void submit(const Request& request);
  void one_step();
  void stall();
  void read(Client& client);
  void check_progress();
  void check_head();
  void check_client(const Client& client, SimulationTotals& totals) const;
  void check_choice(const Client& client, size_t choice, const std::vector<TokenId>& want,
                    FinishReason finish) const;
  void check_masks(const SamplingParams& p, const std::vector<TokenId>& got) const;
  void check_prompt(const Client& client, SimulationTotals& totals) const;
  void check_logprobs(const Client& client, size_t choice, SimulationTotals& totals) const;
  void check_cached(const Client& client) const;
  bool may_fit(const Request& request) const;
  static bool was_cut(FinishReason reason);
  void add(SimulationTotals& totals) const;

  Random random_;
  ModelLimits limits_;
  LoopOptions options_;
  FakeClock clock_;
  std::unique_ptr<DraftSource> drafts_;
  std::unique_ptr<FaultyRunner> runner_;
  std::unique_ptr<Loop> loop_;
  int64_t room_ = 0;
  int64_t tenants_ = 1;
  int64_t masked_ = 0;  // requests
  int64_t step_ = 0;
  int64_t last_news_ = 0;  // step of the last event
  std::vector<std::vector<TokenId>> prefixes_;
  std::vector<Client> clients_;
  std::vector<size_t> live_;  // clients that are not done
};

}  // namespace ingot
