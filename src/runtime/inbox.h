// What arrives at the step loop: any thread puts, the engine thread takes.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "runtime/outbox.h"
#include "runtime/queue_gauge.h"

namespace ingot {

// A request with the engine's end of its outbox, or the wish to cancel one.
struct Arrival {
  OutboxWriter writer;  // empty: cancels `cancel_id`
  QueueTicket ticket;
  uint64_t cancel_id = 0;
  Arrival* next = nullptr;
};

// A list of arrivals, oldest first; owns them.
class Arrivals {
 public:
  Arrivals() = default;
  explicit Arrivals(Arrival* first) : first_(first) {}
  ~Arrivals();
  Arrivals(Arrivals&& other) noexcept : first_(std::exchange(other.first_, nullptr)) {}
  Arrivals& operator=(Arrivals&& other) noexcept {
    std::swap(first_, other.first_);
    return *this;
  }
  bool empty() const { return first_ == nullptr; }
  std::unique_ptr<Arrival> pop();

 private:
  Arrival* first_ = nullptr;
};

// Shared by the loop and its outboxes, so that one that outlives the loop can still be cancelled.
class Inbox {
 public:
  Inbox() = default;
  ~Inbox();
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // Any thread. Gives the arrival back when the inbox is closed, else null.
  std::unique_ptr<Arrival> put(std::unique_ptr<Arrival> arrival);
  void wake();  // any thread

  // Engine thread. All that has arrived, in order of arrival.
  Arrivals take();
  // The same, and the end: every later put() is refused.
  Arrivals close();
  bool closed() const;
  // Blocks until a put() or wake() after the one that `seen` counts.
  uint32_t count() const { return count_.load(std::memory_order_acquire); }
  void wait(uint32_t seen) const { count_.wait(seen, std::memory_order_acquire); }
  // The same, for so long at most.
  void wait_for(uint32_t seen, std::chrono::nanoseconds time);

 private:
  static Arrivals in_order(Arrival* newest);
  std::atomic<Arrival*> newest_{nullptr};  // Treiber stack, taken whole; or the mark of its end
  std::atomic<uint32_t> count_{0};         // of puts and wakes
  // An atomic cannot be waited for by time: who does so says it, and is told under the mutex.
  std::atomic<bool> timed_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace ingot
