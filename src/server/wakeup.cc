#include "server/wakeup.h"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace ingot {

namespace asio = boost::asio;

Wakeup::Wakeup(WakeupQueue& queue) : queue_(queue), timer_(queue.io_) {}

void Wakeup::ring() {
  if (queued_.exchange(true, std::memory_order_acq_rel)) return;
  self_ = shared_from_this();
  queue_.put(this);
}

void Wakeup::ring_here() {
  rung_ = true;
  timer_.cancel();
}

asio::awaitable<bool> Wakeup::wait(std::chrono::steady_clock::duration timeout) {
  if (!rung_) {
    timer_.expires_after(timeout);
    boost::system::error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  co_return std::exchange(rung_, false);
}

// Who finds the stack empty sends the message that empties it.
void WakeupQueue::put(Wakeup* wakeup) {
  Wakeup* newest = newest_.load(std::memory_order_relaxed);
  do {
    wakeup->next_ = newest;
  } while (!newest_.compare_exchange_weak(newest, wakeup, std::memory_order_release,
                                          std::memory_order_relaxed));
  if (newest == nullptr) asio::post(io_, [this] { drain(); });
}

void WakeupQueue::drain() {
  Wakeup* wakeup = newest_.exchange(nullptr, std::memory_order_acquire);
  while (wakeup != nullptr) {
    Wakeup* next = wakeup->next_;
    const std::shared_ptr<Wakeup> self = std::move(wakeup->self_);
    // Before the coroutine looks: what comes after this rings anew.
    wakeup->queued_.store(false, std::memory_order_release);
    wakeup->ring_here();
    wakeup = next;
  }
}

}  // namespace ingot
