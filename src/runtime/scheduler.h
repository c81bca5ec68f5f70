// Decides every step: what runs, with which pages, in which order. Host code without a device;
// engine thread alone. Only next() allocates, evicts and preempts.
//
// Order is that of ServiceOrder (priority, tenant, arrival): running decodes first, then running
// prompt chunks, then admissions. When pages run out the last sequence in that order is preempted
// and later recomputed; a sequence that is itself the last waits. One whose tenant runs nothing
// takes the place of the last of the tenant that runs most. Because any admitted sequence fits the
// pool alone, the first one always gets on.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "runtime/kv_blocks.h"
#include "runtime/model_runner.h"
#include "runtime/request.h"
#include "runtime/service_order.h"

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
  bool fair = true;               // between tenants of a priority; else by arrival alone
  DraftSource* drafts = nullptr;  // borrowed; sequences with drafts do not overlap steps
};

struct SchedulerStats {
  int64_t steps = 0, rows = 0, tokens = 0;
  int64_t prefix_hits = 0, prefix_hit_tokens = 0;  // sequences that started from cached pages
  int64_t preemptions = 0, pauses = 0, forks = 0, cancels = 0, timeouts = 0, refused = 0;
  int64_t drafted = 0, accepted = 0, dropped = 0;  // dropped: sampled after the end
  int64_t put_off = 0;                             // draws that waited for a later step
  int64_t finished = 0;
  int64_t prompt_tokens = 0;  // of requests that have started
  int64_t output_tokens = 0;  // handed out
};

class Scheduler {
 public:
  // `clock` is borrowed. CHECKs that the limits are positive.
  Scheduler(const ModelLimits& limits, SchedulerOptions options, const Clock& clock);
  ~Scheduler();

  // Goes on with the step numbers and statistics of another, and with nothing else of it.
  void succeed(const Scheduler& other);

  // Takes a request; one that can never fit is finished at once (kTooLong). Ids of live requests
  // are unique (else finished at once with kInternal).
  void add(std::shared_ptr<const Request> request);
  // Unknown or ended ids are ignored.
  void cancel(uint64_t request_id) { finish_request(request_id, FinishReason::kCancelled); }
  void finish_request(uint64_t request_id, FinishReason reason);
  // Its sequences give their pages back, and are not served before resume(); steps in flight still
  // give tokens. False: there is none such that tells of its tokens as they come. What is computed
  // anew afterwards is charged to its tenant.
  bool pause(uint64_t request_id);
  void resume(uint64_t request_id);  // one that is not paused is left as it is

  // The next step, or null when nothing can run now. Valid until committed or failed. If nothing
  // can run, nothing is in flight or put off and requests are left, the first of them ends with
  // kOutOfMemory.
  const Batch* next();
  // Rows of the step planned last that will have no token: their sequences stand still, with slot
  // and pages, until take_up(). Only rows with may_put_off.
  void put_off(std::span<const size_t> rows);
  // Slots of the sequences that stand still; valid until it is asked again.
  const std::vector<int32_t>& slots_put_off();
  void take_up(int32_t slot);
  // Whether the result is one of the oldest step in flight; commit() takes no other.
  bool matches(const StepResult& result) const;
  void commit(const StepResult& result);
  // The given step in flight produced nothing: its requests end with `reason`.
  void fail_step(int64_t step, FinishReason reason);

  // Events since the caller last cleared them, in order.
  std::vector<TokenEvent>& events() { return events_; }
  // Requests that got their first place in a step, likewise.
  std::vector<uint64_t>& started() { return started_; }

  // False: all that is left, if anything, is paused.
  bool has_work() const { return !steps_.empty() || running() + waiting() > 0; }
  bool idle() const { return groups_.empty() && steps_.empty() && sequences_.empty(); }
  size_t steps_in_flight() const { return steps_.size(); }
  int64_t oldest_step() const { return steps_.front()->batch.step; }
  size_t standing_still() const { return put_off_.size(); }  // sequences that were put off
  // Whether nothing is left to do but to wait for sequences that were put off.
  bool waits_for_draws() const { return steps_.empty() && !put_off_.empty(); }
  // Of all live requests; kNoDeadline: none has one.
  int64_t next_deadline_ns() const {
    return deadlines_.empty() ? kNoDeadline : deadlines_.begin()->first;
  }
  size_t live_requests() const { return groups_.size(); }
  size_t running() const { return order_.running(); }  // sequences
  size_t waiting() const { return order_.waiting(); }
  size_t paused() const { return order_.paused(); }
  // Prompt and output so far of each of its choices, together; 0: unknown or ended.
  int64_t tokens(uint64_t request_id) const;
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
    int64_t max_length = 0;     // prompt and output, clamped to context and pool
    bool started = false;       // has been admitted
    int64_t prompt_told = 0;    // positions whose prompt_logprobs were committed
    int32_t cached_tokens = 0;  // of the prompt, found in the prefix cache then
    std::vector<bool> ended;    // choices that had their finish event
    int32_t live = 0;           // choices that had not
    std::vector<Sequence*> members;
    std::vector<int32_t> reserved_slots;  // for choices that are not forked yet
    struct Hypothesis {
      double score = 0;  // length-normalized
      std::vector<TokenId> output;
      FinishReason reason = FinishReason::kStop;
    };
    std::vector<Hypothesis> hypotheses;  // beam search: finished beams, best first
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
    std::vector<bool> put_off;         // rows without a token
    bool draws(size_t row) const { return batch.rows[row].logit_count > 0 && !put_off[row]; }
  };

  static bool is_beam(const Sequence& s) { return s.request->sampling.beam_width > 1; }
  static int32_t width_of(const Request& request);

  // scheduler.cc: planning
  void expire();
  void forget_deadline(const Request& request);
  int64_t work_left(const Sequence& s) const;
  // The prompt positions among `count` from `first` on whose logits are still wanted.
  struct Positions {
    int64_t begin = 0, end = 0;
  };
  Positions prompt_wanted(const Sequence& s, int64_t first, int64_t count) const;
  void plan_running(const std::vector<Sequence*>& running, bool decodes);
  void plan(Sequence& s);
  void add_drafts(Planned& planned);
  bool make_room(const Sequence& s);
  Sequence* victim_after(const Sequence& s, bool worse_priority_only);
  Sequence* victim_for(const Sequence& s);
  void preempt(Sequence& s);
  // Of the pages that a request may share: by tenant, and by how its keys are rotated.
  Hash128 salt_of(const Request& request) const;
  bool preempt_waiting_beam();
  void admit();
  bool start(Sequence& s);
  void fail_first();
  bool can_truncate() const;

  // scheduler_batch.cc: the plan as a Batch
  const Batch* build();
  void add_row(Step& step, const Planned& planned);
  void add_forks(Step& step, Sequence& parent);
  void add_tables(Step& step) const;
  static void start_slot(Batch& batch, Sequence& s);
  Sequence& fork(Sequence& parent, int32_t choice);

  // scheduler_commit.cc: results, ends
  void commit_row(Sequence& s, const BatchRow& row, const RowResult& result);
  bool commit_prompt(Sequence& s, const BatchRow& row, const RowResult& result);
  void commit_put_off(Sequence& s, const BatchRow& row, const RowResult& result);
  void advance(Sequence& s, const BatchRow& row, int32_t committed);
  void take_back(Sequence& s, int64_t positions);
  void publish(Sequence& s);
  void forget_put_off(Sequence& s);
  FinishReason end_after(const Sequence& s, const Group& group) const;
  void end_choice(Sequence& s, FinishReason reason);
  void end_group(Group& group, FinishReason reason);
  void emit(Group& group, int32_t choice, std::span<const TokenId> tokens, FinishReason reason,
            std::span<const TokenLogprobs> logprobs);
  void retire(Sequence& s, SequencePhase phase);
  void settle(Sequence& s);
  void release(Sequence& s);

  // beam.cc
  struct Candidate {
    double score;
    Sequence* parent;
    TokenId token;
  };
  void beam_commit(Sequence& s, const RowResult& result);
  void beam_select(Group& group);
  std::vector<Candidate> beam_candidates(Group& group, bool& full);
  void beam_move(Group& group, Sequence* target, Sequence& parent);
  void beam_finish(Group& group);

  ModelLimits limits_;
  SchedulerOptions options_;
  const Clock& clock_;
  KvBlocks kv_;
  std::unordered_map<uint64_t, Group> groups_;  // by request id
  std::unordered_map<const Sequence*, std::unique_ptr<Sequence>> sequences_;
  ServiceOrder order_;
  std::multimap<int64_t, uint64_t> deadlines_;  // of live requests: when, id
  std::vector<int32_t> free_slots_;
  std::deque<std::unique_ptr<Step>> steps_;  // in flight, oldest first
  std::vector<std::unique_ptr<Step>> spare_steps_;
  std::vector<Planned> plan_;
  std::vector<Sequence*> put_off_;  // that stand still
  std::vector<int32_t> slots_put_off_;
  int64_t budget_ = 0;
  int64_t prompt_budget_ = 0;  // prompt positions of the step whose logits may be wanted
  bool starved_ = false;       // a running sequence found no page in this step
  int64_t retiring_ = 0;       // sequences that give back pages when their steps are committed
  int64_t next_step_ = 1;
  uint64_t next_arrival_ = 1;
  std::vector<TokenEvent> events_;
  std::vector<uint64_t> started_;
  SchedulerStats stats_;
};

}  // namespace ingot
