#include "server/wakeup.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <future>
#include <thread>

namespace ingot {
namespace {

namespace asio = boost::asio;

TEST(Wakeup, RingsBeforeAndWhileItWaits) {
  asio::io_context io;
  WakeupQueue queue(io);
  const auto wakeup = std::make_shared<Wakeup>(queue);
  std::vector<bool> rung;
  std::promise<void> waited;
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        wakeup->ring_here();
        const bool first = co_await wakeup->wait(std::chrono::hours(1));
        const bool second = co_await wakeup->wait(std::chrono::milliseconds(1));
        waited.set_value();
        const bool third = co_await wakeup->wait(std::chrono::hours(1));
        rung = {first, second, third};
      },
      asio::detached);
  std::thread other([&] {
    waited.get_future().wait();
    wakeup->ring();
  });
  io.run();
  other.join();
  EXPECT_EQ(rung, (std::vector<bool>{true, false, true}));
}

// Rings of one thread against waits of another: none is lost. In three rounds of four a sleeper is
// rung as soon as it has done its work, when it is about to wait.
TEST(Wakeup, NoRingIsLost) {
  constexpr int kRounds = 2000, kSleepers = 8;
  asio::io_context io;
  WakeupQueue queue(io);
  std::vector<std::shared_ptr<Wakeup>> wakeups;
  std::vector<std::atomic<int>> work(kSleepers), done(kSleepers);
  int lost = 0;
  wakeups.reserve(kSleepers);
  for (int i = 0; i < kSleepers; ++i) wakeups.push_back(std::make_shared<Wakeup>(queue));
  for (size_t i = 0; i < kSleepers; ++i) {
    asio::co_spawn(
        io,
        [&, i]() -> asio::awaitable<void> {
          while (done[i] < kRounds) {
            done[i] += work[i].exchange(0);
            if (done[i] == kRounds) break;
            // The time keeps a lost ring from hanging the test; whoever wakes without a ring has
            // nothing to do, unless one was lost.
            const bool rung = co_await wakeups[i]->wait(std::chrono::minutes(1));
            if (!rung && work[i] > 0) ++lost;
          }
        },
        asio::detached);
  }
  std::thread engine([&] {
    for (int round = 0; round < kRounds; ++round) {
      for (size_t i = 0; i < kSleepers; ++i) {
        for (int looks = 0; round % 4 != 0 && done[i] < round; ++looks) {
          if (looks > 1000) std::this_thread::yield();
        }
        work[i].fetch_add(1);
        wakeups[i]->ring();
      }
    }
  });
  io.run();
  engine.join();
  EXPECT_EQ(lost, 0);
  for (const std::atomic<int>& one : done) EXPECT_EQ(one, kRounds);
}

}  // namespace
}  // namespace ingot
