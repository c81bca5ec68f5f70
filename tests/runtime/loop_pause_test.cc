// Requests whose readers are behind: paused, and gone on with when these have read.
#include <gtest/gtest.h>

#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "tests/runtime/loop_harness.h"
#include "tests/runtime/oracle_streams.h"

namespace ingot {
namespace {

std::vector<TokenId> expected(const Request& request) {
  return expected_stream(small_limits(), 256, request, 0).tokens;
}

TEST(Loop, SleepsWhileAllReadersAreBehind) {
  for (const bool overlap : {false, true}) {
    OracleModel model(small_limits());
    FakeClock clock;
    Loop loop(model, {{}, overlap}, clock);
    const Request request = small_request(40, 100, 1);
    const auto behind = loop.submit(request);
    behind->pause_beyond(1'000);
    int steps = 0;
    while (loop.step()) {
      loop.scheduler().check_invariants();
      ASSERT_LT(++steps, 100);
    }
    LoopStats stats = loop.stats();
    EXPECT_EQ(stats.paused, 1);
    EXPECT_EQ(stats.running + stats.waiting + stats.pages[0].used, 0);
    EXPECT_LE(behind->peak_unread(), 1'000);
    EXPECT_FALSE(loop.step());
    // Others are served beside it.
    const Request other = small_request(30, 20, 2);
    const auto box = loop.submit(other);
    while (loop.step()) {
    }
    EXPECT_EQ(read_all(*box).tokens, expected(other));
    EXPECT_EQ(loop.stats().paused, 1);
    std::vector<TokenId> got;
    while (!behind->done()) {
      while (const TokenEvent* event = behind->poll()) got.push_back(event->tokens[0]);
      loop.step();
      loop.scheduler().check_invariants();
    }
    EXPECT_EQ(got, expected(request));
    stats = loop.stats();
    EXPECT_GE(stats.pauses, 1);
    EXPECT_EQ(stats.paused, 0);
    EXPECT_TRUE(loop.scheduler().idle());
  }
}

// What paused requests keep has a bound: one more ends, the others go on.
TEST(Loop, NoMoreArePausedThanMayBeKept) {
  OracleModel model(small_limits());
  FakeClock clock;
  LoopOptions options;
  options.max_paused_tokens = 120;
  Loop loop(model, options, clock);
  const Request request = small_request(40, 100, 1);  // 40 and some tokens each: two fit
  std::vector<std::shared_ptr<Outbox>> boxes;
  for (int i = 0; i < 3; ++i) {
    boxes.push_back(loop.submit(request));
    boxes.back()->pause_beyond(1'000);
  }
  while (loop.step()) loop.scheduler().check_invariants();
  EXPECT_EQ(loop.stats().paused, 2);
  EXPECT_EQ(loop.stats().requests_finished, 1);
  int ended = 0;
  for (int i = 0; i < 3; ++i) {
    std::vector<TokenId> got;
    FinishReason reason = FinishReason::kNone;
    while (!boxes[i]->done()) {
      while (const TokenEvent* event = boxes[i]->poll()) {
        if (event->count > 0) got.push_back(event->tokens[0]);
        if (event->finish != FinishReason::kNone) reason = event->finish;
      }
      loop.step();
    }
    if (reason == FinishReason::kOverloaded) {
      ++ended;
      EXPECT_FALSE(got.empty());
    } else {
      EXPECT_EQ(got, expected(request));
    }
  }
  EXPECT_EQ(ended, 1);
  EXPECT_TRUE(loop.scheduler().idle());
  // Its room is free again.
  const auto next = loop.submit(request);
  next->pause_beyond(1'000);
  while (loop.step()) {
  }
  EXPECT_EQ(loop.stats().paused, 1);
}

// A reader wakes the sleeping loop, always.
TEST(Loop, ReadersThatAreBehindWakeItWhenTheyHaveRead) {
  OracleModel model(small_limits());
  const SteadyClock clock;
  Loop loop(model, {}, clock);
  std::thread engine([&] { loop.run(); });
  constexpr int kReaders = 3, kRounds = 40;
  std::vector<std::thread> readers;
  readers.reserve(kReaders);
  for (int r = 0; r < kReaders; ++r) {
    readers.emplace_back([&, r] {
      for (int i = 0; i < kRounds; ++i) {
        const Request request = small_request(5 + i, 60, r);
        const auto box = loop.submit(request);
        box->pause_beyond(1 + 400 * (i % 4));
        EXPECT_EQ(read_all(*box).tokens, expected(request));
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(loop.stats().pauses, 0);
  loop.stop();
  engine.join();
}

TEST(Loop, PausedRequestsEndAsOthersDo) {
  OracleModel model(small_limits());
  FakeClock clock;
  const ChecksThrow scope;
  LoopOptions options;
  bool fault = false;
  options.on_phase = [&](std::string_view phase) {
    if (fault && phase == "planning a step") CHECK(false);
  };
  Loop loop(model, options, clock);
  const auto paused = [&](int64_t deadline_ns) {
    Request request = small_request(20, 100, 1);
    if (deadline_ns != 0) request.deadline_ns = deadline_ns;
    auto box = loop.submit(request);
    box->pause_beyond(500);
    while (loop.step()) {
    }
    EXPECT_GT(loop.stats().paused, 0);
    return box;
  };
  const auto cancelled = paused(0);
  cancelled->cancel();
  loop.step();
  EXPECT_EQ(read_all(*cancelled).finish, FinishReason::kCancelled);
  const auto late = paused(clock.now_ns() + 1'000);
  clock.advance_ns(2'000);
  loop.step();
  EXPECT_EQ(read_all(*late).finish, FinishReason::kTimeout);
  const auto hurt = paused(0);
  const auto level = spdlog::get_level();
  spdlog::set_level(spdlog::level::off);  // as planned
  fault = true;
  loop.step();
  fault = false;
  spdlog::set_level(level);
  EXPECT_EQ(read_all(*hurt).finish, FinishReason::kInternal);
  const Request request = small_request(10, 20, 3);
  const auto next = loop.submit(request);
  while (loop.step()) loop.scheduler().check_invariants();
  EXPECT_EQ(read_all(*next).tokens, expected(request));
  EXPECT_EQ(loop.stats().paused, 0);
}

}  // namespace
}  // namespace ingot
