#include "runtime/inbox.h"

#include <gtest/gtest.h>

#include <thread>

namespace ingot {
namespace {

std::unique_ptr<Arrival> cancel_of(uint64_t id) {
  auto out = std::make_unique<Arrival>();
  out->cancel_id = id;
  return out;
}

std::vector<uint64_t> ids(Arrivals arrivals) {
  std::vector<uint64_t> out;
  while (const auto arrival = arrivals.pop()) out.push_back(arrival->cancel_id);
  return out;
}

TEST(Inbox, GivesInOrderOfArrival) {
  Inbox inbox;
  EXPECT_TRUE(inbox.take().empty());
  for (uint64_t id : {3, 1, 2}) EXPECT_EQ(inbox.put(cancel_of(id)), nullptr);
  EXPECT_EQ(inbox.count(), 3u);
  EXPECT_EQ(ids(inbox.take()), (std::vector<uint64_t>{3, 1, 2}));
  EXPECT_TRUE(inbox.take().empty());
}

TEST(Inbox, ClosingTakesWhatIsThereAndRefusesTheRest) {
  Inbox inbox;
  inbox.put(cancel_of(1));
  EXPECT_EQ(ids(inbox.close()), std::vector<uint64_t>{1});
  const auto back = inbox.put(cancel_of(2));
  ASSERT_NE(back, nullptr);
  EXPECT_EQ(back->cancel_id, 2u);
  EXPECT_TRUE(inbox.take().empty());
  EXPECT_TRUE(inbox.close().empty());
}

TEST(Inbox, EveryArrivalIsTakenOrGivenBack) {
  constexpr uint64_t kEach = 2000;
  Inbox inbox;
  std::atomic<uint64_t> refused{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 1; i <= kEach; ++i) {
        if (inbox.put(cancel_of(t * kEach + i))) ++refused;
      }
    });
  }
  std::vector<uint64_t> last(3, 0);
  uint64_t taken = 0;
  const auto look = [&](Arrivals arrivals) {
    for (const uint64_t id : ids(std::move(arrivals))) {
      uint64_t& before = last[(id - 1) / kEach];
      EXPECT_LT(before, id);  // one thread's arrivals stay in order
      before = id;
      ++taken;
    }
  };
  while (taken < kEach) {
    const uint32_t seen = inbox.count();
    look(inbox.take());
    if (taken < kEach) inbox.wait(seen);
  }
  look(inbox.close());
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken + refused, 3 * kEach);
}

TEST(Inbox, WhoWaitsForATimeIsWokenToo) {
  Inbox inbox;
  inbox.wait_for(inbox.count(), std::chrono::milliseconds(1));  // nothing comes
  const uint32_t before = inbox.count();
  inbox.wake();
  inbox.wait_for(before, std::chrono::hours(1));  // came already
  constexpr int kEach = 2000;
  std::thread waker([&] {
    for (int i = 0; i < kEach; ++i) inbox.wake();
  });
  // A wake that was lost would be waited for an hour.
  const uint32_t last = before + 1 + kEach;
  for (uint32_t seen = inbox.count(); seen < last; seen = inbox.count()) {
    inbox.wait_for(seen, std::chrono::hours(1));
  }
  waker.join();
}

TEST(Inbox, WhatNobodyTookEndsWithIt) {
  const auto request = std::make_shared<const Request>();
  auto outbox = std::make_shared<Outbox>(request, nullptr, nullptr);
  {
    Inbox inbox;
    auto arrival = std::make_unique<Arrival>();
    arrival->writer = OutboxWriter(outbox);
    inbox.put(std::move(arrival));
    EXPECT_EQ(outbox->poll(), nullptr);
  }
  ASSERT_NE(outbox->poll(), nullptr);
  EXPECT_TRUE(outbox->done());
}

}  // namespace
}  // namespace ingot
