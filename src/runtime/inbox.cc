#include "runtime/inbox.h"

namespace ingot {
namespace {

// What newest_ is once the inbox is closed; never read or written through.
Arrival* end_mark() {
  static Arrival mark;
  return &mark;
}

}  // namespace

Arrivals::~Arrivals() {
  while (pop()) {
  }
}

std::unique_ptr<Arrival> Arrivals::pop() {
  if (first_ == nullptr) return nullptr;
  Arrival* taken = std::exchange(first_, first_->next);
  return std::unique_ptr<Arrival>(taken);
}

Inbox::~Inbox() { close(); }

std::unique_ptr<Arrival> Inbox::put(std::unique_ptr<Arrival> arrival) {
  arrival->next = newest_.load(std::memory_order_relaxed);
  do {
    if (arrival->next == end_mark()) {
      arrival->next = nullptr;
      return arrival;
    }
    // Release: take() sees what the arrival holds. Older arrivals are not read here.
  } while (!newest_.compare_exchange_weak(arrival->next, arrival.get(), std::memory_order_release,
                                          std::memory_order_relaxed));
  (void)arrival.release();  // the stack owns it
  wake();
  return nullptr;
}

// After the exchange of put(): whoever reads the count sees the arrival. Sequentially consistent,
// as wait_for() is: either the one sees the other's count, or the other sees timed_.
void Inbox::wake() {
  count_.fetch_add(1);
  count_.notify_one();
  if (!timed_.load()) return;
  const std::lock_guard lock(mutex_);
  changed_.notify_one();
}

void Inbox::wait_for(uint32_t seen, std::chrono::nanoseconds time) {
  std::unique_lock lock(mutex_);
  timed_.store(true);
  changed_.wait_for(lock, time, [&] { return count_.load() != seen; });
  timed_.store(false);
}

Arrivals Inbox::take() {
  if (closed()) return {};
  return in_order(newest_.exchange(nullptr, std::memory_order_acquire));
}

Arrivals Inbox::close() {
  Arrival* newest = newest_.exchange(end_mark(), std::memory_order_acquire);
  return newest == end_mark() ? Arrivals() : in_order(newest);
}

// Only the engine thread closes, so that on its own side the answer stays true.
bool Inbox::closed() const { return newest_.load(std::memory_order_relaxed) == end_mark(); }

Arrivals Inbox::in_order(Arrival* newest) {
  Arrival* oldest = nullptr;
  while (newest != nullptr) {
    Arrival* next = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = next;
  }
  return Arrivals(oldest);
}

}  // namespace ingot
