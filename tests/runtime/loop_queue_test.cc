// What waits in the loop: its bounds, its memory, the statistics.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <thread>

#include "tests/runtime/loop_harness.h"

namespace ingot {
namespace {

TEST(Loop, ARequestThatIsRefusedTakesNoMemory) {
  ModelLimits limits = small_limits();
  limits.max_seq_len = int64_t{1} << 40;
  limits.state_groups[0].kind = KvKind::kWindowed;  // no bound of its own
  limits.state_groups[0].window = 40;
  OracleModel model(limits);
  FakeClock clock;
  Loop loop(model, {}, clock);
  for (const int32_t n : {5, 1 << 30}) {  // the latter nobody validated
    Request wide = small_request(10, int64_t{1} << 40, 1);
    wide.sampling.n = n;
    const auto box = loop.submit(wide);
    while (loop.step()) {
    }
    EXPECT_EQ(read_all(*box).finish, FinishReason::kTooLong);
  }
}

TEST(Loop, AQueueThatIsFullRefusesAtOnce) {
  ModelLimits limits = small_limits();
  limits.max_batch_rows = 1;
  OracleModel model(limits);
  FakeClock clock;
  LoopOptions options;
  options.max_queued_requests = 3;
  options.max_queued_tokens = 100;
  Loop loop(model, options, clock);
  const auto finish_now = [](Outbox& box) {
    const TokenEvent* event = box.poll();
    return event == nullptr ? FinishReason::kNone : event->finish;
  };
  const auto running = loop.submit(small_request(20, 50, 1));
  loop.step();  // it runs, and waits no more
  std::vector<std::shared_ptr<Outbox>> waiting;
  for (TokenId i = 0; i < 3; ++i) waiting.push_back(loop.submit(small_request(20, 5, i)));
  const auto fourth = loop.submit(small_request(1, 5, 1));
  EXPECT_EQ(finish_now(*fourth), FinishReason::kOverloaded);
  EXPECT_TRUE(fourth->done());
  waiting[1]->cancel();
  loop.step();
  EXPECT_EQ(finish_now(*loop.submit(small_request(61, 5, 1))), FinishReason::kOverloaded);
  const auto fits = loop.submit(small_request(60, 5, 1));
  EXPECT_EQ(finish_now(*fits), FinishReason::kNone);
  while (loop.step()) {
  }
  EXPECT_EQ(read_all(*running).tokens.size(), 50u);
  EXPECT_EQ(read_all(*waiting[0]).tokens.size(), 5u);
  EXPECT_EQ(read_all(*fits).tokens.size(), 5u);
  const auto alone = loop.submit(small_request(200, 5, 1));  // longer than the bound
  while (loop.step()) {
  }
  EXPECT_EQ(read_all(*alone).tokens.size(), 5u);
}

TEST(Loop, WhatEndsBeforeItRanLeavesTheQueue) {
  OracleModel model(small_limits());
  FakeClock clock;
  LoopOptions options;
  options.max_queued_requests = 1;
  Loop loop(model, options, clock);
  for (int i = 0; i < 5; ++i) {  // refused by the scheduler
    const auto box = loop.submit(small_request(0, 5, 1));
    loop.step();
    EXPECT_EQ(read_all(*box).finish, FinishReason::kInternal);
  }
}

TEST(Loop, StatisticsTellWhatTheLoopDoes) {
  OracleModel model(small_limits());
  FakeClock clock;
  LoopOptions options{{}, false};
  options.max_queued_requests = 5;
  Loop loop(model, options, clock);
  LoopStats stats = loop.stats();
  ASSERT_EQ(stats.pages.size(), 1u);
  EXPECT_EQ(stats.pages[0], (LoopStats::Pages{"kv", 12, 0, 0, 12}));
  std::vector<std::shared_ptr<Outbox>> boxes;
  for (int i = 0; i < 6; ++i) boxes.push_back(loop.submit(small_request(40, 10, 3)));
  stats = loop.stats();
  EXPECT_EQ(stats.queued_requests, 5);
  EXPECT_EQ(stats.queued_tokens, 200);
  EXPECT_EQ(stats.requests_overloaded, 1);
  loop.step();  // 48 tokens: one prompt, and the beginning of the next
  stats = loop.stats();
  EXPECT_EQ(stats.steps, 1);
  EXPECT_EQ(stats.running, 2);
  EXPECT_EQ(stats.waiting, 3);
  EXPECT_EQ(stats.queued_requests, 3);
  EXPECT_EQ(stats.prompt_tokens, 80);
  EXPECT_EQ(stats.output_tokens, 1);
  EXPECT_EQ(stats.pages[0].used, 3);
  EXPECT_EQ(stats.pages[0].used + stats.pages[0].cached + stats.pages[0].free, 12);
  boxes[4]->cancel();
  const auto refused = loop.submit(small_request(0, 10, 3));
  while (loop.step()) {
  }
  stats = loop.stats();
  EXPECT_EQ(stats.running + stats.waiting + stats.queued_requests + stats.pages[0].used, 0);
  EXPECT_EQ(stats.requests_finished, 5);
  EXPECT_EQ(stats.requests_cancelled, 1);
  EXPECT_EQ(stats.requests_refused, 1);
  EXPECT_EQ(stats.output_tokens, 40);
  EXPECT_EQ(stats.prefix_hits, 2);  // the third and fourth, of one full block each
  EXPECT_EQ(stats.prefix_hit_tokens, 64);
  EXPECT_EQ(stats.pages[0].cached, 1);
  EXPECT_EQ(stats.steps, loop.scheduler().stats().steps);
}

TEST(Loop, AReaderFindsItsEventCounted) {
  OracleModel model(small_limits());
  FakeClock clock;
  Loop loop(model, {}, clock);
  std::shared_ptr<Outbox> box;
  std::vector<int64_t> tokens, finished;
  box = loop.submit(small_request(40, 3, 1), [&] {
    tokens.push_back(loop.stats().output_tokens);
    finished.push_back(loop.stats().requests_finished);
  });
  while (loop.step()) {
    while (box->poll() != nullptr) {  // so that the next event calls again
    }
  }
  EXPECT_EQ(tokens, (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(finished, (std::vector<int64_t>{0, 0, 1}));
}

TEST(Loop, EventsCarryTheTokensFoundInTheCache) {
  OracleModel model(small_limits());
  FakeClock clock;
  Loop loop(model, {}, clock);
  for (const int32_t want : {0, 64}) {
    const auto box = loop.submit(small_request(70, 5, 3));
    while (loop.step()) {
    }
    while (const TokenEvent* event = box->poll()) EXPECT_EQ(event->cached_tokens, want);
    EXPECT_TRUE(box->done());
  }
  const auto cut = loop.submit(small_request(70, 100, 3));
  for (int i = 0; i < 5; ++i) loop.step();
  cut->cancel();
  loop.step();
  int events = 0;
  while (const TokenEvent* event = cut->poll()) {
    EXPECT_EQ(event->cached_tokens, 64);
    ++events;
  }
  EXPECT_GT(events, 1);
}

TEST(Loop, StatisticsAreReadWhileTheLoopRuns) {
  OracleModel model(small_limits());
  SteadyClock clock;
  Loop loop(model, {}, clock);
  std::thread engine([&] { loop.run(); });
  std::atomic<bool> stop{false};
  std::thread watcher([&] {
    int64_t last = 0;
    while (!stop) {
      const LoopStats stats = loop.stats();
      EXPECT_GE(stats.steps, last);
      EXPECT_EQ(stats.pages[0].used + stats.pages[0].cached + stats.pages[0].free, 12);
      last = stats.steps;
    }
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(read_all(*loop.submit(small_request(30, 20, 1))).tokens.size(), 20u);
  }
  stop = true;
  watcher.join();
  loop.stop();
  engine.join();
  EXPECT_EQ(loop.stats().requests_finished, 20);
  EXPECT_EQ(loop.stats().output_tokens, 400);
}

TEST(Loop, ARequestThatWaitsTakesNoMemoryForItsAnswer) {
  ModelLimits limits = small_limits();
  limits.max_seq_len = int64_t{1} << 40;
  limits.state_groups[0].kind = KvKind::kWindowed;
  limits.state_groups[0].window = 40;
  limits.max_batch_rows = 1;
  OracleModel model(limits);
  FakeClock clock;
  Loop loop(model, {}, clock);
  const auto running = loop.submit(small_request(10, 3, 1));
  Request request = small_request(10, int64_t{1} << 36, 2);  // 256 GiB of tokens
  const auto waiting = loop.submit(request);
  loop.step();
  EXPECT_EQ(loop.scheduler().live_requests(), 2u);
  waiting->cancel();
  while (loop.step()) {
  }
  EXPECT_EQ(read_all(*running).tokens.size(), 3u);
  EXPECT_EQ(read_all(*waiting).finish, FinishReason::kCancelled);
}

// Nobody else wakes the loop: the deadline does.
TEST(Loop, WhoIsPausedHasADeadlineToo) {
  OracleModel model(small_limits());
  SteadyClock clock;
  Loop loop(model, {}, clock);
  Request request = small_request(10, 200, 1);
  request.deadline_ns = clock.now_ns() + 300'000'000;
  const auto box = loop.submit(request);
  box->pause_beyond(0);
  std::thread thread([&] { loop.run(); });
  for (int i = 0; i < 6000 && loop.stats().requests_timed_out == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(loop.stats().requests_timed_out, 1);
  loop.stop();
  thread.join();
  EXPECT_EQ(read_all(*box).finish, FinishReason::kTimeout);
}

// Bytes that malloc has given out. Sanitizers count elsewhere: always 0 there.
int64_t bytes_in_use() {
  const struct mallinfo2 info = ::mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

TEST(Loop, ARequestThatWaitsHoldsItsPromptOnce) {
  ModelLimits limits = small_limits();
  limits.max_seq_len = int64_t{1} << 40;
  limits.state_groups[0].kind = KvKind::kWindowed;
  limits.state_groups[0].window = 40;
  limits.max_batch_rows = 1;
  OracleModel model(limits);
  FakeClock clock;
  Loop loop(model, {}, clock);
  const auto running = loop.submit(small_request(10, 3, 1));
  constexpr int64_t kPrompt = int64_t{1} << 20;
  std::vector<std::shared_ptr<Outbox>> waiting;
  for (int i = 0; i < 4; ++i) waiting.push_back(loop.submit(small_request(kPrompt, 3, 1)));
  const int64_t before = bytes_in_use();
  loop.step();
  EXPECT_EQ(loop.scheduler().waiting(), 4u);
  EXPECT_LT(bytes_in_use() - before, kPrompt * static_cast<int64_t>(sizeof(TokenId)));
}

}  // namespace
}  // namespace ingot
