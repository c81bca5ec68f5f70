// How the engine thread wakes coroutines of an I/O thread: at most one message between the threads
// for all that got ready at once.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>

namespace ingot {

class WakeupQueue;

// One coroutine that sleeps until something is there for it. All but ring() belong to the thread of
// its io_context.
class Wakeup : public std::enable_shared_from_this<Wakeup> {
 public:
  explicit Wakeup(WakeupQueue& queue);

  // Any thread. The queue must still live.
  void ring();
  // The thread of the io_context.
  void ring_here();
  // Until somebody rings (or rang since the last wait), or the time is over: false.
  boost::asio::awaitable<bool> wait(std::chrono::steady_clock::duration timeout);

 private:
  friend class WakeupQueue;
  WakeupQueue& queue_;
  boost::asio::steady_timer timer_;
  bool rung_ = false;
  std::atomic<bool> queued_{false};
  std::shared_ptr<Wakeup> self_;  // while queued
  Wakeup* next_ = nullptr;
};

class WakeupQueue {
 public:
  explicit WakeupQueue(boost::asio::io_context& io) : io_(io) {}
  ~WakeupQueue() { drain(); }
  WakeupQueue(const WakeupQueue&) = delete;
  WakeupQueue& operator=(const WakeupQueue&) = delete;

 private:
  friend class Wakeup;
  void put(Wakeup* wakeup);
  void drain();

  boost::asio::io_context& io_;
  std::atomic<Wakeup*> newest_{nullptr};
};

}  // namespace ingot
