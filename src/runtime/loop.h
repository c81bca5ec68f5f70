// The step loop: drain, schedule, submit, commit, push. One engine thread runs it; any thread
// submits and cancels. Offline use is the same loop, stepped inline by the caller.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "runtime/inbox.h"
#include "runtime/loop_stats.h"
#include "runtime/model_runner.h"
#include "runtime/outbox.h"
#include "runtime/queue_gauge.h"
#include "runtime/request.h"
#include "runtime/scheduler.h"

namespace ingot {

struct LoopOptions {
  SchedulerOptions scheduler;
  // Submit step N before committing N-1. The tokens are the same either way.
  bool overlap = true;
  // Bounds of what waits for its first step: requests, and the tokens of their prompts. A request
  // that finds no room ends at once with kOverloaded. 0: no bound, for callers who hold the
  // requests anyway.
  int64_t max_queued_requests = 0;
  int64_t max_queued_tokens = 0;
  // Bound of the tokens that paused requests keep: prompt and output so far of each choice.
  // One that finds no room is not paused, it ends with kOverloaded.
  int64_t max_paused_tokens = int64_t{16} << 20;
  // A tenant may have no more in the queue than is left free (QueueGauge).
  bool share_queue = false;
  // Tests: called when step() begins a phase, with its name as the log says it; may throw.
  std::function<void(std::string_view phase)> on_phase;
};

class Loop {
 public:
  // `runner` and `clock` are borrowed; the runner serves one loop at a time.
  Loop(ModelRunner& runner, LoopOptions options, const Clock& clock);
  // No thread may be in run() or submit(). Requests still live end with kCancelled.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Any thread. The request's faults come back as its one finish event, never as an exception. Once
  // run() has ended, or while it ends, that is kCancelled, at once.
  //
  // `on_ready` is called on the engine thread when something was put into the outbox, so that a
  // worker can watch this and other things (an eventfd, a queue of its own). Every request waits
  // for it: it must not block, nor call the outbox or the loop; an exception is logged. What was
  // there when submit() returned is not announced: poll once. A call comes after what it announces
  // can be read, so it may come when the reader has read the end and let go of the outbox: what
  // `on_ready` captures must own its state (a shared_ptr), and it is destroyed on either thread.
  std::shared_ptr<Outbox> submit(Request request, std::function<void()> on_ready = nullptr);

  // Engine thread. One pass; false: nothing to do until the next submit. Sleeps where all that is
  // left waits for its draw (ModelRunner::put_off), until one can go on, a deadline is over or
  // something arrives. Throws nothing. A fault of
  // the model ends the requests of its step; one of ours (a failed CHECK, no memory) ends all live
  // requests, with kInternal: what the scheduler knew cannot be trusted, and a new one goes on
  // with empty pages. Where there is none either, the loop ends.
  bool step();
  // Steps until stop() or the loop's end; sleeps while there is nothing to do. Requests still live
  // then end with kCancelled, and so do later ones: a loop runs once.
  void run();
  void stop();  // any thread
  // Inline: submits and steps until the request is done, handing each event over. A `false` from
  // the callback cancels, and so does an exception, which goes on to the caller.
  void generate(Request request, const std::function<bool(const TokenEvent&)>& on_event);

  const Scheduler& scheduler() const { return *scheduler_; }  // engine thread
  const ModelLimits& limits() const { return limits_; }
  // Any thread. As published by the last step, before it handed out its events: who has an event
  // finds it counted. queued_… and requests_overloaded are of now.
  LoopStats stats() const;

 private:
  struct Live {
    OutboxWriter writer;
    QueueTicket ticket;  // until it has started
    bool paused = false;
    int64_t paused_tokens = 0;  // counted in the loop's while it is paused
  };
  void begin(std::string_view phase);
  void drain();
  void resume_read();
  void pause(uint64_t id, Live& live);
  bool run_step();
  bool submit_step(const Batch& batch);
  void sleep(uint32_t seen);
  void commit_oldest();
  void push();
  void recover(std::string_view what);
  void end();
  void end_live(FinishReason reason);
  void drop_steps();
  void publish();

  ModelRunner& runner_;
  LoopOptions options_;
  const ModelLimits limits_;
  const Clock& clock_;
  std::unique_ptr<Scheduler> scheduler_;
  int steps_held_ = 0;      // by the runner: submitted and not collected
  std::string_view phase_;  // of the step, for the log
  LoopStats stats_;         // the last published, kept for its memory
  StatsBoard board_;
  QueueGauge queue_;
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> next_id_{1};
  Arrivals arrivals_;                        // out of the inbox, not yet looked at
  int64_t taken_ = 0;                        // requests that were looked at
  std::unordered_map<uint64_t, Live> live_;  // by request id
  std::vector<uint64_t> paused_;             // requests; some may have ended
  int64_t paused_tokens_ = 0;
  std::vector<uint64_t> too_many_;  // requests that could not be paused
  StepResult result_;
};

}  // namespace ingot
