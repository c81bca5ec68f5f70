// The step loop on the oracle model: overlap and plain order, threads, cancels, faults.
#include "runtime/loop.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "tests/runtime/loop_harness.h"
#include "tests/runtime/oracle_streams.h"

namespace ingot {
namespace {

std::vector<Answer> answers(bool overlap) {
  OracleModel model(small_limits());
  FakeClock clock;
  Loop loop(model, {{}, overlap}, clock);
  std::vector<std::shared_ptr<Outbox>> boxes;
  for (TokenId i = 0; i < 9; ++i) boxes.push_back(loop.submit(small_request(20 + 9 * i, 40, i)));
  while (loop.step()) {
  }
  std::vector<Answer> out;
  for (const auto& box : boxes) out.push_back(read_all(*box));
  return out;
}

TEST(Loop, OverlapAndPlainOrderGiveTheSameTokens) {
  const std::vector<Answer> overlapped = answers(true), plain = answers(false);
  ASSERT_EQ(overlapped.size(), plain.size());
  for (size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(overlapped[i].tokens, plain[i].tokens) << i;
    EXPECT_EQ(plain[i].tokens.size(), 40u);
    const Request r = small_request(20 + 9 * static_cast<int64_t>(i), 40, static_cast<TokenId>(i));
    EXPECT_EQ(plain[i].tokens, expected_stream(small_limits(), 256, r, 0).tokens) << i;
  }
}

TEST(Loop, OverlapKeepsOneStepInFlight) {
  OracleModel model(small_limits());
  FakeClock clock;
  Loop loop(model, {}, clock);
  const auto box = loop.submit(small_request(4, 8, 1));
  EXPECT_TRUE(loop.step());
  EXPECT_EQ(loop.scheduler().steps_in_flight(), 1u);
  EXPECT_EQ(box->poll(), nullptr);
  EXPECT_TRUE(loop.step());
  EXPECT_EQ(loop.scheduler().steps_in_flight(), 1u);
  EXPECT_NE(box->poll(), nullptr);
}

TEST(Loop, GenerateIsTheSameLoopInline) {
  OracleModel model(small_limits());
  SteadyClock clock;
  Loop loop(model, {}, clock);
  const Request request = small_request(50, 30, 3);
  std::vector<TokenId> tokens;
  int done = 0;
  loop.generate(request, [&](const TokenEvent& event) {
    for (TokenId t : event.token_span()) tokens.push_back(t);
    done += event.request_done;
    return true;
  });
  EXPECT_EQ(done, 1);
  EXPECT_EQ(tokens, expected_stream(small_limits(), 256, request, 0).tokens);
}

TEST(Loop, ACallbackThatReturnsFalseCancels) {
  OracleModel model(small_limits());
  SteadyClock clock;
  Loop loop(model, {}, clock);
  size_t tokens = 0;
  FinishReason finish = FinishReason::kNone;
  loop.generate(small_request(50, 200, 3), [&](const TokenEvent& event) {
    tokens += event.count;
    finish = event.finish;
    return tokens < 5;
  });
  EXPECT_EQ(finish, FinishReason::kCancelled);
  EXPECT_LT(tokens, 10u);
}

TEST(Loop, ManyThreadsSubmitReadAndCancel) {
  OracleModel model(small_limits());
  SteadyClock clock;
  Loop loop(model, {}, clock);
  std::thread engine([&] { loop.run(); });
  std::vector<std::thread> workers;
  std::atomic<int> whole{0}, cut{0};
  for (int w = 0; w < 4; ++w) {
    workers.emplace_back([&, w] {
      for (int i = 0; i < 10; ++i) {
        const Request request = small_request(10 + 7 * i, 20, static_cast<TokenId>(w * 10 + i));
        const auto box = loop.submit(request);
        const auto want = expected_stream(small_limits(), 256, request, 0).tokens;
        if (i % 3 == 2) box->cancel();
        const Answer got = read_all(*box);
        if (got.finish == FinishReason::kLength && got.tokens == want) ++whole;
        if (got.finish == FinishReason::kCancelled && got.tokens.size() <= want.size()) ++cut;
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  loop.stop();
  engine.join();
  EXPECT_EQ(whole + cut, 40);
  EXPECT_GE(whole.load(), 28);
}

TEST(Loop, StopEndsLiveRequestsAsCancelled) {
  OracleModel model(small_limits());
  SteadyClock clock;
  auto loop = std::make_unique<Loop>(model, LoopOptions{}, clock);
  const auto box = loop->submit(small_request(10, 200, 1));
  loop->step();
  loop->step();
  loop.reset();
  EXPECT_EQ(read_all(*box).finish, FinishReason::kCancelled);
}

TEST(Loop, WhatComesAfterTheEndIsCancelledAtOnce) {
  OracleModel model(small_limits());
  SteadyClock clock;
  auto loop = std::make_unique<Loop>(model, LoopOptions{}, clock);
  std::thread engine([&] { loop->run(); });
  const auto early = loop->submit(small_request(10, 20, 1));
  EXPECT_EQ(read_all(*early).tokens.size(), 20u);
  loop->stop();
  engine.join();
  Request two = small_request(10, 20, 1);
  two.sampling.n = 2;
  const auto late = loop->submit(two);
  for (int32_t choice : {0, 1}) {
    const TokenEvent* event = late->poll();
    ASSERT_NE(event, nullptr);
    EXPECT_EQ(event->finish, FinishReason::kCancelled);
    EXPECT_EQ(event->choice, choice);
    EXPECT_EQ(event->request_done, choice == 1);
  }
  const auto last = loop->submit(small_request(10, 20, 1));
  loop.reset();
  last->cancel();  // an outbox may outlive its loop
  EXPECT_EQ(read_all(*last).finish, FinishReason::kCancelled);
}

TEST(Loop, StoppingWhileManySubmitLeavesNobodyWaiting) {
  for (int round = 0; round < 20; ++round) {
    OracleModel model(small_limits());
    SteadyClock clock;
    Loop loop(model, {}, clock);
    std::thread engine([&] { loop.run(); });
    std::vector<std::thread> workers;
    std::atomic<int> ended{0};
    for (TokenId w = 0; w < 3; ++w) {
      workers.emplace_back([&, w] {
        for (int i = 0; i < 20; ++i) {
          const auto box = loop.submit(small_request(5, 30, w));
          if (i % 4 == 1) box->cancel();
          ended += read_all(*box).finish != FinishReason::kNone;
        }
      });
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200 * round));
    loop.stop();
    for (std::thread& worker : workers) worker.join();
    engine.join();
    EXPECT_EQ(ended, 60);
  }
}

TEST(Loop, OnReadyTellsAWorkerThatWatchesManyOutboxes) {
  OracleModel model(small_limits());
  SteadyClock clock;
  Loop loop(model, {}, clock);
  std::thread engine([&] { loop.run(); });
  std::atomic<uint32_t> rings{0};
  std::vector<std::shared_ptr<Outbox>> boxes;
  for (TokenId i = 0; i < 6; ++i) {
    boxes.push_back(loop.submit(small_request(10, 15, i), [&] {
      rings.fetch_add(1, std::memory_order_release);
      rings.notify_one();
    }));
  }
  size_t done = 0, tokens = 0;
  while (done < boxes.size()) {
    const uint32_t seen = rings.load(std::memory_order_acquire);
    bool any = false;
    for (const auto& box : boxes) {
      while (const TokenEvent* event = box->poll()) {
        any = true;
        tokens += event->count;
        done += event->request_done;
      }
    }
    if (!any) rings.wait(seen, std::memory_order_acquire);
  }
  EXPECT_EQ(tokens, 90u);
  loop.stop();
  engine.join();
}

TEST(Loop, ACancelledRequestThatWaitsGoesWithoutBeingServed) {
  OracleModel model(small_limits());
  FakeClock clock;
  Loop loop(model, {}, clock);
  std::vector<std::shared_ptr<Outbox>> boxes;
  for (int i = 0; i < 10000; ++i) {
    boxes.push_back(loop.submit(small_request(10, 100, static_cast<TokenId>(i % 60))));
  }
  loop.step();
  for (size_t i = 1; i < boxes.size(); ++i) boxes[i]->cancel();
  loop.step();
  EXPECT_EQ(loop.scheduler().live_requests(), 1u);
  for (size_t i = 1; i < boxes.size(); ++i) {
    const TokenEvent* event = boxes[i]->poll();
    while (event != nullptr && !event->request_done) event = boxes[i]->poll();
    ASSERT_NE(event, nullptr) << i;
    ASSERT_EQ(event->finish, FinishReason::kCancelled) << i;
  }
}

// Every place of a step where the scheduler or the loop may throw: its live requests end with
// `internal`, and the loop serves the next ones from empty pages.
// In the middle of a plan, with pages taken and sequences moved on.
// A queue of long answers costs what the prompts cost: room for tokens is taken when they run.
TEST(Loop, ACallbackThatThrowsCancels) {
  OracleModel model(small_limits());
  FakeClock clock;
  Loop loop(model, {}, clock);
  EXPECT_THROW(loop.generate(small_request(10, 200, 3),
                             [](const TokenEvent&) -> bool { throw std::runtime_error("test"); }),
               std::runtime_error);
  loop.step();
  loop.step();
  EXPECT_EQ(loop.scheduler().live_requests(), 0u);
}

TEST(Loop, RefusalsComeBackAsFinishEvents) {
  OracleModel model(small_limits());
  FakeClock clock;
  Loop loop(model, {}, clock);
  const auto too_long = loop.submit(small_request(256, 5, 1));
  const auto empty = loop.submit(small_request(0, 5, 1));
  Request outside = small_request(3, 5, 1);
  outside.prompt[1] = 64;
  const auto unknown = loop.submit(outside);
  while (loop.step()) {
  }
  EXPECT_EQ(read_all(*too_long).finish, FinishReason::kTooLong);
  EXPECT_EQ(read_all(*empty).finish, FinishReason::kInternal);
  EXPECT_EQ(read_all(*unknown).finish, FinishReason::kInternal);
}

TEST(OracleModel, ACorruptedPageChangesTheStream) {
  const Request request = small_request(70, 40, 5);
  const auto want = expected_stream(small_limits(), 256, request, 0).tokens;
  for (const bool corrupt : {false, true}) {
    OracleModel model(small_limits());
    FakeClock clock;
    Loop loop(model, {{}, false}, clock);
    const auto box = loop.submit(request);
    for (int i = 0; i < 10; ++i) loop.step();
    // Page 1 holds positions 32 … 63 of the only sequence.
    ASSERT_EQ(loop.scheduler().kv().page_info(0, 1).owner, box->request().id);
    if (corrupt) model.corrupt(0, 1);
    while (loop.step()) {
    }
    const Answer got = read_all(*box);
    EXPECT_EQ(got.tokens == want, !corrupt);
    EXPECT_EQ(got.tokens.size(), want.size());
  }
}

TEST(OracleModel, ReadsOnlyItsWindowFromAWindowedGroup) {
  ModelLimits limits = small_limits();
  limits.state_groups = {{"window", KvKind::kWindowed, 12, 16}};
  std::vector<TokenId> a(60, 1), b(60, 1);
  b[43] = 2;  // just outside the last 16
  EXPECT_EQ(oracle_next(limits, a, 0, 0), oracle_next(limits, b, 0, 0));
  limits.state_groups = {{"kv", KvKind::kPaged, 12, 0}};
  EXPECT_NE(oracle_next(limits, a, 0, 0), oracle_next(limits, b, 0, 0));
}

}  // namespace
}  // namespace ingot
