#include "server/wakeup.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <thread>

namespace ingot {
namespace {

namespace asio = boost::asio;

TEST(Wakeup, RingsBeforeAndWhileItWaits) {
  asio::io_context io;
  WakeupQueue queue(io);
  const auto wakeup = std::make_shared<Wakeup>(queue);
  std::vector<bool> rung;
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        wakeup->ring_here();
        const bool first = co_await wakeup->wait(std::chrono::hours(1));
        const bool second = co_await wakeup->wait(std::chrono::milliseconds(1));
        const bool third = co_await wakeup->wait(std::chrono::hours(1));
        rung = {first, second, third};
      },
      asio::detached);
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    wakeup->ring();
  });
  io.run();
  other.join();
  EXPECT_EQ(rung, (std::vector<bool>{true, false, true}));
}

// Rings of one thread against waits of another: none is lost.
TEST(Wakeup, NoRingIsLost) {
  constexpr int kRounds = 2000, kSleepers = 8;
  asio::io_context io;
  WakeupQueue queue(io);
  std::vector<std::shared_ptr<Wakeup>> wakeups;
  std::vector<std::atomic<int>> work(kSleepers);
  std::vector<int> done(kSleepers, 0);
  for (int i = 0; i < kSleepers; ++i) wakeups.push_back(std::make_shared<Wakeup>(queue));
  for (size_t i = 0; i < kSleepers; ++i) {
    asio::co_spawn(
        io,
        [&, i]() -> asio::awaitable<void> {
          while (done[i] < kRounds) {
            done[i] += work[i].exchange(0);
            if (done[i] == kRounds) break;
            co_await wakeups[i]->wait(std::chrono::seconds(20));
          }
        },
        asio::detached);
  }
  std::thread engine([&] {
    for (int round = 0; round < kRounds; ++round) {
      for (size_t i = 0; i < kSleepers; ++i) {
        work[i].fetch_add(1);
        wakeups[i]->ring();
      }
    }
  });
  const auto begin = std::chrono::steady_clock::now();
  io.run();
  engine.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  EXPECT_EQ(done, std::vector<int>(kSleepers, kRounds));
}

}  // namespace
}  // namespace ingot
