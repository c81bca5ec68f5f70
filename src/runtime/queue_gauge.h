// How much waits for its first step, and how much may: any thread enters at submit, the engine
// thread leaves when the request runs or ends.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

namespace ingot {

class QueueGauge;

// One request's share of the gauge; given back when it is destroyed. The gauge outlives it.
class QueueTicket {
 public:
  QueueTicket() = default;
  ~QueueTicket() { give_back(); }
  QueueTicket(QueueTicket&& other) noexcept
      : gauge_(std::exchange(other.gauge_, nullptr)), tokens_(other.tokens_) {}
  QueueTicket& operator=(QueueTicket&& other) noexcept;
  // False: refused, or given back.
  explicit operator bool() const { return gauge_ != nullptr; }
  void give_back() noexcept;

 private:
  friend class QueueGauge;
  QueueTicket(QueueGauge* gauge, int64_t tokens) : gauge_(gauge), tokens_(tokens) {}
  QueueGauge* gauge_ = nullptr;
  int64_t tokens_ = 0;
};

class QueueGauge {
 public:
  // 0: no bound.
  QueueGauge(int64_t max_requests, int64_t max_tokens)
      : max_requests_(max_requests), max_tokens_(max_tokens) {}

  // Empty when there is no room. A request of more than max_tokens is let in when nothing waits.
  // One that is refused takes no room from others, not even for a moment.
  QueueTicket enter(int64_t tokens);

  int64_t requests() const { return requests_.load(std::memory_order_relaxed); }
  int64_t tokens() const { return tokens_.load(std::memory_order_relaxed); }
  int64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  friend class QueueTicket;
  const int64_t max_requests_, max_tokens_;
  // One at a time looks and then adds. Who leaves only makes room and does not wait for it.
  std::mutex entering_;
  // Numbers alone: nothing is published by them, so relaxed will do.
  std::atomic<int64_t> requests_{0}, tokens_{0}, refused_{0};
};

}  // namespace ingot
