#include "runtime/queue_gauge.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace ingot {
namespace {

TEST(QueueGauge, TicketsCountUntilTheyAreGivenBack) {
  QueueGauge gauge(2, 0);
  QueueTicket a = gauge.enter(100), b = gauge.enter(50);
  EXPECT_TRUE(a && b);
  EXPECT_EQ(gauge.requests(), 2);
  EXPECT_EQ(gauge.tokens(), 150);
  EXPECT_FALSE(gauge.enter(1));
  EXPECT_EQ(gauge.refused(), 1);
  QueueTicket moved = std::move(a);
  EXPECT_EQ(gauge.requests(), 2);
  moved.give_back();
  moved.give_back();
  EXPECT_EQ(gauge.tokens(), 50);
  b = gauge.enter(7);
  EXPECT_EQ(gauge.requests(), 1);
  EXPECT_EQ(gauge.tokens(), 7);
  b = QueueTicket();
  EXPECT_EQ(gauge.requests(), 0);
  EXPECT_EQ(gauge.tokens(), 0);
}

TEST(QueueGauge, TokensAreBoundedButForARequestAlone) {
  QueueGauge gauge(0, 100);
  {
    const QueueTicket large = gauge.enter(500);
    EXPECT_TRUE(large);
    EXPECT_FALSE(gauge.enter(1));
  }
  const QueueTicket a = gauge.enter(60), b = gauge.enter(40);
  EXPECT_TRUE(a && b);
  EXPECT_FALSE(gauge.enter(1));
  EXPECT_EQ(gauge.tokens(), 100);
}

TEST(QueueGauge, WithoutBoundsNobodyIsRefused) {
  QueueGauge gauge(0, 0);
  std::vector<QueueTicket> tickets;
  for (int i = 0; i < 1000; ++i) tickets.push_back(gauge.enter(int64_t{1} << 40));
  for (const QueueTicket& ticket : tickets) EXPECT_TRUE(ticket);
}

TEST(QueueGauge, ATenantLeavesAsMuchFreeAsItHas) {
  QueueGauge gauge(12, 0, true);
  const auto fill = [&](uint64_t tenant) {
    std::vector<QueueTicket> out;
    while (QueueTicket ticket = gauge.enter(1, tenant)) out.push_back(std::move(ticket));
    return out;
  };
  std::vector<QueueTicket> first = fill(1);
  EXPECT_EQ(first.size(), 6u);
  const std::vector<QueueTicket> second = fill(2);
  EXPECT_EQ(second.size(), 3u);
  const std::vector<QueueTicket> third = fill(3);
  EXPECT_EQ(third.size(), 2u);  // 6 + 3 + 2 of 12: the last place is for somebody new
  EXPECT_FALSE(gauge.enter(1, 1));
  EXPECT_TRUE(gauge.enter(1, 4));
  first.resize(1);
  EXPECT_TRUE(gauge.enter(1, 1));
  EXPECT_EQ(gauge.requests(), 6);
}

TEST(QueueGauge, TokensAreSharedToo) {
  QueueGauge gauge(0, 100, true);
  const QueueTicket a = gauge.enter(30, 1), b = gauge.enter(20, 1);
  EXPECT_TRUE(a && b);
  EXPECT_FALSE(gauge.enter(1, 1));
  const QueueTicket large = gauge.enter(500, 2);  // nothing of its own waits
  EXPECT_TRUE(large);
  EXPECT_FALSE(gauge.enter(1, 3));
  EXPECT_EQ(gauge.tokens(), 550);
}

TEST(QueueGauge, CountsOfManyTenantsComeAndGo) {
  QueueGauge gauge(4, 0, true);
  const QueueTicket stays = gauge.enter(1, 77);
  for (uint64_t tenant = 1000; tenant < 2000; ++tenant) EXPECT_TRUE(gauge.enter(1, tenant));
  const QueueTicket second = gauge.enter(1, 77);
  EXPECT_TRUE(second);
  EXPECT_FALSE(gauge.enter(1, 77));
}

TEST(QueueGauge, ThreadsNeverGoOverTheBound) {
  constexpr int64_t kMost = 3;
  QueueGauge gauge(kMost, 0);
  std::atomic<int64_t> inside{0}, most{0}, entered{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        const QueueTicket ticket = gauge.enter(1);
        if (!ticket) continue;
        ++entered;
        const int64_t now = ++inside;
        int64_t seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, kMost);
  EXPECT_EQ(entered + gauge.refused(), 20000);
  EXPECT_EQ(gauge.requests(), 0);
}

TEST(QueueGauge, ARefusedRequestTakesNoRoomFromOthers) {
  QueueGauge gauge(0, 100);
  const QueueTicket held = gauge.enter(10);
  std::atomic<int> tried{0};
  std::thread large([&] {
    while (tried < 500000) tried += !gauge.enter(1000);
  });
  int refused = 0;
  while (tried < 500000) refused += !gauge.enter(1);
  large.join();
  EXPECT_EQ(refused, 0);
}

}  // namespace
}  // namespace ingot
