// A request's way out of the step loop. Events go one way, from the engine thread to one reader;
// they take memory as they are made, and a slow reader never blocks the engine: the request of one
// that says so is paused while too many wait.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/request.h"

namespace ingot {

struct Arrival;
class Inbox;

// The reader's side: one thread at a time, but cancel() from any.
class Outbox {
 public:
  // `inbox`: where cancel() goes; may be null. `on_ready`: see Loop::submit().
  Outbox(std::shared_ptr<const Request> request, std::shared_ptr<Inbox> inbox,
         std::function<void()> on_ready);
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  const Request& request() const { return *request_; }
  // The next event or nullptr; valid until the next call of these three.
  const TokenEvent* poll();
  // Blocks until there is one. After the event with request_done there is none: nullptr.
  const TokenEvent* wait();
  // As wait(), and nullptr when the time is over.
  const TokenEvent* wait_for(std::chrono::nanoseconds timeout);
  // Whether the event with request_done was read.
  bool done() const { return done_; }
  // Asks the loop to end the request; its last event still comes. Calls after the first do nothing.
  // Takes no memory: it is what is left to do when there is none.
  void cancel() noexcept;
  // While its reader cannot take events: no more than `bytes` of them shall wait, prompt log
  // probabilities (which have their own bound) not counted. The request is paused before, as soon
  // as steps in flight could go beyond, and goes on when a quarter of what made it stop waits.
  // kAnyNumber: no more of that.
  static constexpr int64_t kAnyNumber = std::numeric_limits<int64_t>::max();
  void pause_beyond(int64_t bytes);
  // The most bytes of events that waited while there was such a bound: those that were there when
  // it was set, and those of steps in flight when the request was paused, counted in.
  int64_t peak_unread() const { return peak_unread_.load(std::memory_order_relaxed); }
  // On the loop's Clock, when its first step was planned; 0: it waits still, or never ran.
  int64_t started_ns() const { return started_ns_.load(std::memory_order_acquire); }

 private:
  friend class OutboxWriter;
  static constexpr uint64_t kSegment = 16;
  struct Segment {
    std::array<TokenEvent, kSegment> events;
    Segment* next = nullptr;
  };
  void write(TokenEvent&& event);
  void count_unread() noexcept;
  int64_t most_waiting() const;
  bool is_ahead() noexcept;
  bool caught_up() noexcept;
  void signal() noexcept;
  bool ready() const;
  void sleep(const std::chrono::steady_clock::time_point* until);
  const TokenEvent* read();
  const TokenEvent* finish(FinishReason reason);

  const std::shared_ptr<const Request> request_;
  const std::shared_ptr<Inbox> inbox_;
  const std::function<void()> on_ready_;
  std::atomic<bool> cancelled_{false};
  std::atomic<int64_t> started_ns_{0};
  std::atomic<int64_t> most_unread_{kAnyNumber};
  std::unique_ptr<Arrival> cancel_;  // belongs to who sets cancelled_; null without an inbox

  // Writer. A segment belongs to the reader once its last event was written and a next one is
  // linked; both are published by written_.
  Segment* first_ = nullptr;
  Segment* last_ = nullptr;
  std::atomic<uint64_t> written_{0};
  std::atomic<int64_t> written_bytes_{0};  // the writer alone changes it
  int64_t largest_ = 0;                    // bytes of an event
  int64_t low_ = 0;                        // of unread bytes, where a paused request goes on
  std::atomic<int64_t> peak_unread_{0};    // either side
  // Set after the last write: choices without a finish event end with this.
  std::atomic<FinishReason> closed_{FinishReason::kNone};

  // Reader.
  Segment* reading_ = nullptr;
  uint64_t read_ = 0;
  std::atomic<int64_t> read_bytes_{0};  // the reader alone changes it
  // When so many were read, the reader wakes the inbox. The engine alone changes it; one of the two
  // sees the other's change, see caught_up().
  std::atomic<int64_t> wake_at_{kAnyNumber};
  std::vector<bool> ended_;  // choices
  TokenEvent finish_;        // made here when the outbox was closed
  bool done_ = false;

  std::mutex mutex_;  // a sleeping reader's; the engine takes it only to wake one
  std::condition_variable condition_;
  std::atomic<bool> sleeping_{false};
};

// The engine's side. Whatever becomes of it, the reader gets its last event: one that is destroyed
// without it closes the outbox with kInternal.
class OutboxWriter {
 public:
  OutboxWriter() = default;
  explicit OutboxWriter(std::shared_ptr<Outbox> outbox) : outbox_(std::move(outbox)) {}
  ~OutboxWriter() { close(FinishReason::kInternal); }
  OutboxWriter(OutboxWriter&&) noexcept = default;
  OutboxWriter& operator=(OutboxWriter&& other) noexcept;

  // False: empty, closed, or the request's last event was pushed.
  explicit operator bool() const { return outbox_ != nullptr; }
  const std::shared_ptr<const Request>& request() const { return outbox_->request_; }
  void start(int64_t now_ns) {
    if (outbox_) outbox_->started_ns_.store(now_ns, std::memory_order_release);
  }
  // std::bad_alloc leaves the outbox as it was.
  void push(TokenEvent&& event);
  // After push(): whether the request shall be paused (Outbox::pause_beyond()). From then on
  // caught_up() tells whether it shall go on; while it says no, the inbox is woken when that
  // changes.
  bool is_ahead() noexcept { return outbox_->is_ahead(); }
  bool caught_up() noexcept { return outbox_->caught_up(); }
  // Ends every choice that has not ended. Takes no memory.
  void close(FinishReason reason) noexcept;
  // The same for an outbox that nobody has yet: calls nobody.
  void refuse(FinishReason reason) noexcept;

 private:
  std::shared_ptr<Outbox> outbox_;
};

}  // namespace ingot
