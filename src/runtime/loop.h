// The step loop: drain, schedule, submit, commit, push. One engine thread runs it; any thread
// submits and cancels. Offline use is the same loop, stepped inline by the caller.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "runtime/model_runner.h"
#include "runtime/request.h"
#include "runtime/scheduler.h"

namespace ingot {

// A request's side of the loop, shared by its worker and the engine thread. Events go one way,
// single producer (engine) to single consumer; storage for all that can come is taken when it is
// made, so a slow reader never blocks the engine. Cancelling is one atomic.
class Outbox {
 public:
  Outbox(std::shared_ptr<const Request> request, size_t max_events);

  const Request& request() const { return *request_; }
  // Worker side. The next event or nullptr; stays valid as long as the outbox.
  const TokenEvent* poll();
  // Blocks until there is one. After the event with request_done there is none: nullptr.
  const TokenEvent* wait();
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  friend class Loop;
  void push(TokenEvent&& event);  // engine thread
  std::shared_ptr<const Request> request_;
  std::vector<TokenEvent> events_;
  std::atomic<uint32_t> written_{0};
  uint32_t read_ = 0;
  std::atomic<bool> cancelled_{false};
};

struct LoopOptions {
  SchedulerOptions scheduler;
  // Submit step N before committing N-1. The tokens are the same either way.
  bool overlap = true;
};

class Loop {
 public:
  // `runner` and `clock` are borrowed.
  Loop(ModelRunner& runner, LoopOptions options, const Clock& clock);
  // No thread may be in run() or submit(). Requests still live end with kCancelled.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Any thread. The request's faults come back as its one finish event, never as an exception.
  std::shared_ptr<Outbox> submit(Request request);

  // Engine thread. One pass; false: nothing to do until the next submit.
  bool step();
  // Steps until stop(); sleeps while there is nothing to do. Requests still live then end with
  // kCancelled.
  void run();
  void stop();  // any thread
  // Inline: submits and steps until the request is done, handing each event over. A `false` from
  // the callback cancels, and so does an exception, which goes on to the caller.
  void generate(Request request, const std::function<bool(const TokenEvent&)>& on_event);

  const Scheduler& scheduler() const { return scheduler_; }
  const ModelLimits& limits() const { return scheduler_.limits(); }

 private:
  struct Node {
    Node(std::shared_ptr<Outbox> box, Node* after) : outbox(std::move(box)), next(after) {}
    std::shared_ptr<Outbox> outbox;
    Node* next;
  };
  void drain();
  bool submit_step(const Batch& batch);
  void commit_oldest();
  void push();
  std::unique_ptr<Node> take_inbox();

  ModelRunner& runner_;
  LoopOptions options_;
  Scheduler scheduler_;
  std::atomic<Node*> inbox_{nullptr};  // Treiber stack, taken whole
  std::atomic<uint32_t> arrivals_{0};  // wakes run()
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> next_id_{1};
  std::unordered_map<uint64_t, std::shared_ptr<Outbox>> live_;  // by request id
  StepResult result_;
};

}  // namespace ingot
