#include "runtime/outbox.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "runtime/inbox.h"

namespace ingot {
namespace {

using std::chrono::milliseconds;

struct Ends {
  explicit Ends(int32_t choices = 1, std::function<void()> on_ready = nullptr) {
    Request request;
    request.id = 7;
    request.sampling.n = choices;
    box = std::make_shared<Outbox>(std::make_shared<const Request>(std::move(request)), inbox,
                                   std::move(on_ready));
    writer = OutboxWriter(box);
  }
  std::shared_ptr<Inbox> inbox = std::make_shared<Inbox>();
  std::shared_ptr<Outbox> box;
  OutboxWriter writer;
};

TokenEvent event_of(TokenId token, FinishReason finish = FinishReason::kNone, int32_t choice = 0,
                    bool done = false) {
  TokenEvent out;
  out.request_id = 7;
  out.choice = choice;
  out.tokens[out.count++] = token;
  out.finish = finish;
  out.request_done = done;
  return out;
}

TEST(Outbox, ASlowReaderFindsEverythingInOrder) {
  Ends ends;
  for (TokenId t = 0; t < 1000; ++t) ends.writer.push(event_of(t));
  ends.writer.push(event_of(1000, FinishReason::kLength, 0, true));
  EXPECT_FALSE(ends.writer);  // the last event lets go of the outbox
  for (TokenId t = 0; t <= 1000; ++t) {
    EXPECT_FALSE(ends.box->done());
    const TokenEvent* event = ends.box->poll();
    ASSERT_NE(event, nullptr);
    EXPECT_EQ(event->tokens[0], t);
  }
  EXPECT_TRUE(ends.box->done());
  EXPECT_EQ(ends.box->poll(), nullptr);
  EXPECT_EQ(ends.box->wait(), nullptr);
  EXPECT_EQ(ends.box->wait_for(std::chrono::hours(1)), nullptr);
}

TEST(Outbox, AReaderThatCannotTakeEventsIsWaitedFor) {
  Ends ends;
  constexpr int64_t kBytes = 10'000;
  const auto push = [&](int64_t bytes) {
    TokenEvent event = event_of(1);
    event.logprobs.resize(1);
    event.logprobs[0].top.resize(static_cast<size_t>(bytes) / sizeof(event.logprobs[0].top[0]));
    ends.writer.push(std::move(event));
    return ends.writer.is_ahead();
  };
  uint32_t seen = ends.inbox->count();
  const auto woken = [&] {
    const uint32_t now = ends.inbox->count();
    return std::exchange(seen, now) != now;
  };
  EXPECT_FALSE(push(2'000)) << "nobody has asked yet";
  EXPECT_EQ(ends.box->peak_unread(), 0);
  ends.box->pause_beyond(kBytes);
  EXPECT_GE(ends.box->peak_unread(), 2'000) << "what was there already waits too";
  EXPECT_FALSE(push(2'000));
  ends.box->poll();  // what was read does not count
  EXPECT_FALSE(push(2'000));
  EXPECT_TRUE(push(2'000)) << "two steps in flight would be beyond";
  EXPECT_GE(ends.box->peak_unread(), 6'000);
  EXPECT_FALSE(ends.writer.caught_up());
  EXPECT_FALSE(woken());
  push(2'000);  // of a step in flight
  EXPECT_GE(ends.box->peak_unread(), 8'000) << "which waits as well";
  EXPECT_FALSE(ends.writer.caught_up());
  for (int i = 0; i < 3; ++i) ends.box->poll();
  EXPECT_FALSE(woken()) << "more than a quarter still waits";
  EXPECT_FALSE(ends.writer.caught_up());
  ends.box->poll();
  EXPECT_TRUE(woken());
  EXPECT_TRUE(ends.writer.caught_up());
  push(0);
  ends.box->poll();
  EXPECT_FALSE(woken()) << "nobody waits for it any more";
  EXPECT_LE(ends.box->peak_unread(), kBytes);
  ends.box->pause_beyond(Outbox::kAnyNumber);
  EXPECT_FALSE(push(5 * kBytes));
  EXPECT_TRUE(ends.inbox->take().empty()) << "nothing was cancelled";
}

// Events so large that any of them may be too many: one at a time.
// A bound that comes when all was written counts what waits then.
TEST(Outbox, WhatWaitsWhenTheBoundComesIsCounted) {
  Ends ends;
  for (int i = 0; i < 100; ++i) ends.writer.push(event_of(i));
  ends.writer.push(event_of(100, FinishReason::kStop, 0, true));
  for (int i = 0; i < 50; ++i) ends.box->poll();
  ends.box->pause_beyond(1);
  const auto each = static_cast<int64_t>(sizeof(TokenEvent));
  EXPECT_EQ(ends.box->peak_unread(), 51 * each);
  ends.box->poll();
  ends.box->pause_beyond(1);
  EXPECT_EQ(ends.box->peak_unread(), 51 * each) << "the most of all";
}

TEST(Outbox, ATinyBoundLetsOneStepThroughAtATime) {
  Ends ends;
  ends.box->pause_beyond(1);
  for (int i = 0; i < 3; ++i) {
    ends.writer.push(event_of(1));
    EXPECT_TRUE(ends.writer.is_ahead());
    EXPECT_FALSE(ends.writer.caught_up());
    EXPECT_NE(ends.box->poll(), nullptr);
    EXPECT_TRUE(ends.writer.caught_up());
  }
}

TEST(Outbox, ReaderAndWriterRunSideBySide) {
  for (const bool timed : {false, true}) {
    Ends ends;
    std::thread engine([&] {
      for (TokenId t = 0; t < 20000; ++t) {
        ends.writer.push(event_of(t));
        ends.writer.is_ahead();
        if (t % 97 == 0) std::this_thread::yield();
      }
      ends.writer.push(event_of(20000, FinishReason::kStop, 0, true));
    });
    TokenId next = 0;
    while (!ends.box->done()) {
      const TokenEvent* event = timed ? ends.box->wait_for(milliseconds(1)) : ends.box->wait();
      if (event != nullptr) EXPECT_EQ(event->tokens[0], next++);
      if (next % 50 == 0) ends.box->pause_beyond(next % 100 == 0 ? 1'000 : Outbox::kAnyNumber);
    }
    EXPECT_EQ(next, 20001);
    engine.join();
  }
}

TEST(Outbox, WaitForComesBackWhenTheTimeIsOver) {
  Ends ends;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(ends.box->wait_for(milliseconds(20)), nullptr);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(20));
  EXPECT_FALSE(ends.box->done());
  EXPECT_EQ(ends.box->wait_for(milliseconds(-5)), nullptr);
  ends.writer.push(event_of(1));
  EXPECT_NE(ends.box->wait_for(std::chrono::nanoseconds::max()), nullptr);
}

TEST(Outbox, AWriterThatGoesAwayWakesASleepingReader) {
  Ends ends;
  std::thread engine([&] {
    std::this_thread::sleep_for(milliseconds(10));
    ends.writer = OutboxWriter();
  });
  const TokenEvent* event = ends.box->wait();
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->finish, FinishReason::kInternal);
  EXPECT_TRUE(event->request_done);
  EXPECT_EQ(event->request_id, 7u);
  engine.join();
}

TEST(Outbox, ClosingEndsTheChoicesThatHaveNotEnded) {
  Ends ends(4);
  ends.writer.push(event_of(1, FinishReason::kStop, 2));
  ends.writer.push(event_of(2, FinishReason::kNone, 0));
  ends.writer.close(FinishReason::kCancelled);
  EXPECT_FALSE(ends.writer);
  std::vector<std::pair<int32_t, FinishReason>> finished;
  int done = 0, tokens = 0;
  while (const TokenEvent* event = ends.box->wait()) {
    EXPECT_EQ(done, 0);
    tokens += event->count;
    done += event->request_done;
    if (event->finish != FinishReason::kNone) finished.emplace_back(event->choice, event->finish);
  }
  EXPECT_EQ(done, 1);
  EXPECT_EQ(tokens, 2);
  EXPECT_EQ(finished,
            (std::vector<std::pair<int32_t, FinishReason>>{{2, FinishReason::kStop},
                                                           {0, FinishReason::kCancelled},
                                                           {1, FinishReason::kCancelled},
                                                           {3, FinishReason::kCancelled}}));
}

TEST(Outbox, CancelIsOneArrivalAndNoneOnceTheInboxIsClosed) {
  static_assert(noexcept(std::declval<Outbox&>().cancel()));  // it works without memory
  Ends ends;
  ends.box->cancel();
  ends.box->cancel();
  Arrivals arrivals = ends.inbox->take();
  const auto arrival = arrivals.pop();
  ASSERT_NE(arrival, nullptr);
  EXPECT_FALSE(arrival->writer);
  EXPECT_EQ(arrival->cancel_id, 7u);
  EXPECT_TRUE(arrivals.empty());
  Ends late;
  late.inbox->close();
  late.box->cancel();
  EXPECT_TRUE(late.inbox->take().empty());
}

TEST(Outbox, OnReadyIsCalledForEachEventAndTheEnd) {
  int calls = 0;
  Ends ends(1, [&] { ++calls; });
  ends.writer.push(event_of(1));
  EXPECT_EQ(calls, 1);
  ends.writer.close(FinishReason::kInternal);
  EXPECT_EQ(calls, 2);
  Ends refused(1, [&] { ++calls; });
  refused.writer.refuse(FinishReason::kCancelled);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(refused.box->poll()->finish, FinishReason::kCancelled);
}

TEST(Outbox, OnReadyMayComeWhenTheReaderIsGone) {
  struct Watch {
    int calls = 0;
  };
  std::weak_ptr<Watch> seen;
  {
    auto watch = std::make_shared<Watch>();
    seen = watch;
    Ends ends(1, [watch] { ++watch->calls; });
    watch.reset();
    ends.box.reset();
    ends.writer.push(event_of(1));
    EXPECT_EQ(seen.lock()->calls, 1);  // the engine's end kept what it captured
    ends.writer.close(FinishReason::kCancelled);
  }
  EXPECT_TRUE(seen.expired());
}

TEST(Outbox, AnOnReadyThatThrowsHurtsNobody) {
  Ends ends(1, [] { throw std::runtime_error("test"); });
  ends.writer.push(event_of(1));
  EXPECT_NE(ends.box->poll(), nullptr);
}

}  // namespace
}  // namespace ingot
