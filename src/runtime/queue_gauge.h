// How much waits for its first step, and how much may: any thread enters at submit, the engine
// thread leaves when the request runs or ends.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace ingot {

class QueueGauge;

// What waits, of all or of one tenant. Numbers alone: nothing is published by them, so relaxed will
// do.
struct QueueCount {
  std::atomic<int64_t> requests{0}, tokens{0};
};

// One request's share of the gauge; given back when it is destroyed. The gauge outlives it.
class QueueTicket {
 public:
  QueueTicket() = default;
  ~QueueTicket() { give_back(); }
  QueueTicket(QueueTicket&& other) noexcept
      : gauge_(std::exchange(other.gauge_, nullptr)), own_(other.own_), tokens_(other.tokens_) {}
  QueueTicket& operator=(QueueTicket&& other) noexcept;
  // False: refused, or given back.
  explicit operator bool() const { return gauge_ != nullptr; }
  void give_back() noexcept;

 private:
  friend class QueueGauge;
  QueueTicket(QueueGauge* gauge, QueueCount* own, int64_t tokens)
      : gauge_(gauge), own_(own), tokens_(tokens) {}
  QueueGauge* gauge_ = nullptr;
  QueueCount* own_ = nullptr;  // of its tenant; null: tenants are not told apart
  int64_t tokens_ = 0;
};

class QueueGauge {
 public:
  // 0: no bound. `shared`: a tenant may have no more in the queue than is left free, so that there
  // is always room for one that has nothing there: alone a tenant fills half of the queue, of k
  // that ask for all of it each has 1/(k+1).
  QueueGauge(int64_t max_requests, int64_t max_tokens, bool shared = false)
      : max_requests_(max_requests), max_tokens_(max_tokens), shared_(shared) {}

  // Empty when there is no room. A request of more than max_tokens is let in when nothing waits,
  // or, where the queue is shared, nothing of its tenant and no more than the bound. One that is
  // refused takes no room from others, not even for a moment.
  QueueTicket enter(int64_t tokens, uint64_t tenant = 0);

  int64_t requests() const { return all_.requests.load(std::memory_order_relaxed); }
  int64_t tokens() const { return all_.tokens.load(std::memory_order_relaxed); }
  int64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  friend class QueueTicket;
  bool has_room(const QueueCount& own, int64_t tokens) const;
  void sweep();

  const int64_t max_requests_, max_tokens_;
  const bool shared_;
  // One at a time looks and then adds. Who leaves only makes room and does not wait for it.
  std::mutex entering_;
  QueueCount all_;
  std::map<uint64_t, std::unique_ptr<QueueCount>> tenants_;  // entering_
  size_t sweep_at_ = 64;                                     // entering_
  std::atomic<int64_t> refused_{0};
};

}  // namespace ingot
