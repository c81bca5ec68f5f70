// Decides every step: what runs, with which pages, in which order. Host code without a device;
// engine thread alone. Only next() allocates, evicts and preempts.
//
// Order is (priority, arrival): running decodes first, then running prompt chunks, then admissions.
// When pages run out the last sequence in that order is preempted and later recomputed; a sequence
// that is itself the last waits. Because any admitted sequence fits the pool alone, the first one
// always gets on.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "runtime/kv_blocks.h"
#include "runtime/model_runner.h"
#include "runtime/request.h"

namespace ingot {

// Guesses the tokens after a sequence's last one. At most `most` tokens into `out`; returns how
// many.
class DraftSource {
 public:
  virtual ~DraftSource() = default;
  virtual int draft(const Sequence& sequence, int most, TokenId* out) = 0;
};

struct SchedulerOptions {
  int64_t max_step_tokens = 0;  // token budget of a step; 0: the model's max_batch_tokens
  int64_t max_chunk = 0;        // most prompt tokens of one row in a step; 0: the budget
  bool prefix_cache = true;
  DraftSource* drafts = nullptr;  // borrowed; sequences with drafts do not overlap steps
};

struct SchedulerStats {
  int64_t steps = 0, rows = 0, tokens = 0;
  int64_t preemptions = 0, forks = 0, cancels = 0, timeouts = 0, refused = 0;
  int64_t drafted = 0, accepted = 0, dropped = 0;  // dropped: sampled after the end
  int64_t finished = 0;
};

class Scheduler {
 public:
  // `clock` is borrowed. CHECKs that the limits are positive.
  Scheduler(const ModelLimits& limits, SchedulerOptions options, const Clock& clock);
  ~Scheduler();

  // Takes a request; one that can never fit is finished at once (kTooLong). Ids of live requests
  // are unique (else finished at once with kInternal).
  void add(std::shared_ptr<const Request> request);
  // Unknown or ended ids are ignored.
  void cancel(uint64_t request_id) { finish_request(request_id, FinishReason::kCancelled); }
  void finish_request(uint64_t request_id, FinishReason reason);

  // The next step, or null when nothing can run now. Valid until committed or failed. If nothing
  // can run, nothing is in flight and requests are left, the first of them ends with kOutOfMemory.
  const Batch* next();
  // Results of the oldest step in flight.
  void commit(const StepResult& result);
  // The given step in flight produced nothing: its requests end with `reason`.
  void fail_step(int64_t step, FinishReason reason);

  // Events since the caller last cleared them, in order.
  std::vector<TokenEvent>& events() { return events_; }

  bool idle() const { return groups_.empty() && steps_.empty() && sequences_.empty(); }
  size_t steps_in_flight() const { return steps_.size(); }
  size_t live_requests() const { return groups_.size(); }
  const SchedulerStats& stats() const { return stats_; }
  const KvBlocks& kv() const { return kv_; }
  KvBlocks& kv() { return kv_; }  // tests only: holding pages from outside
  const ModelLimits& limits() const { return limits_; }
  // CHECKs every invariant named in README.md that can be seen between two calls.
  void check_invariants() const;

 private:
  // One request and its choices.
  struct Group {
    std::shared_ptr<const Request> request;
    uint64_t arrival = 0;
    int64_t max_length = 0;  // prompt and output, clamped to context and pool
    int32_t live = 0;        // choices without a finish event
    int32_t next_choice = 1;
    std::vector<Sequence*> members;
    std::vector<std::pair<double, std::vector<TokenId>>> beams_done;  // score, output
  };
  struct Key {  // the order of service
    int32_t priority;
    uint64_t arrival;
    int32_t choice;
    auto operator<=>(const Key&) const = default;
  };
  struct Planned {  // one row of the step being built
    Sequence* sequence = nullptr;
    int64_t count = 0;  // tokens, drafts included
    int32_t draft_len = 0;
    std::array<TokenId, kMaxStepTokens> drafts{};
    std::vector<PageCopy> copies;
  };
  struct Step {
    Batch batch;
    std::vector<Sequence*> sequences;  // of each row
  };

  static Key key_of(const Sequence& s) { return {s.request->priority, s.arrival, s.choice}; }
  Group& group_of(const Sequence& s);
  int64_t max_total(const Sequence& s);

  // scheduler.cc
  Sequence& new_sequence(Group& group, int32_t choice);
  void expire();
  int64_t work_left(const Sequence& s);
  void plan_running(bool decodes);
  void admit();
  bool plan(Sequence& s, int64_t want);
  bool make_room(Sequence& s, int64_t want);
  Sequence* last_running(const Sequence& before, bool priority_only);
  void preempt(Sequence& s);
  bool start(Sequence& s);
  bool fail_first();

  // scheduler_batch.cc
  const Batch* build();
  void add_row(Step& step, const Planned& planned);
  void add_forks(Step& step, size_t parent_row, Sequence& s);
  void add_tables(Step& step);
  void start_slot(Batch& batch, Sequence& s);

  // scheduler_commit.cc
  void commit_row(Sequence& s, const BatchRow& row, const RowResult& result);
  FinishReason append_tokens(Sequence& s, const RowResult& result);
  FinishReason end_after(const Sequence& s, TokenId token);
  void finish(Sequence& s, FinishReason reason);
  void emit(const Sequence& s, std::span<const TokenId> tokens, FinishReason reason,
            std::span<const TokenLogprobs> logprobs);
  void settle(Sequence& s);
  void release(Sequence& s);
  void drop_step(size_t index);

  // beam.cc
  void beam_commit(Sequence& s, const RowResult& result);
  void beam_select(Group& group);
  void beam_finish(Group& group);

  ModelLimits limits_;
  SchedulerOptions options_;
  const Clock& clock_;
  KvBlocks kv_;
  std::unordered_map<uint64_t, Group> groups_;  // by request id
  std::unordered_map<Sequence*, std::unique_ptr<Sequence>> sequences_;
  std::map<Key, Sequence*> waiting_, running_;
  std::multimap<int64_t, uint64_t> deadlines_;
  std::vector<int32_t> free_slots_;
  std::deque<std::unique_ptr<Step>> steps_;  // in flight, oldest first
  std::vector<std::unique_ptr<Step>> spare_steps_;
  std::vector<Planned> plan_;
  int64_t budget_ = 0;
  bool releasing_ = false;  // a preempted or finished sequence gives pages back at a commit
  int64_t next_step_ = 1;
  uint64_t next_arrival_ = 1;
  std::vector<TokenEvent> events_;
  SchedulerStats stats_;
};

}  // namespace ingot
