// The step loop on the oracle model: overlap and plain order, threads, cancels, faults.
#include "runtime/loop.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <thread>

#include "base/check.h"
#include "base/error.h"
#include "runtime/oracle_model.h"
#include "tests/runtime/oracle_streams.h"

namespace ingot {
namespace {

ModelLimits small_limits() {
  ModelLimits limits;
  limits.vocab_size = 64;
  limits.max_seq_len = 256;
  limits.max_batch_rows = 4;
  limits.max_batch_tokens = 48;
  limits.state_groups = {{"kv", KvKind::kPaged, 12, 0}};
  return limits;
}

Request make_request(int64_t prompt, int64_t max_tokens, TokenId base) {
  Request r;
  for (int64_t i = 0; i < prompt; ++i) {
    r.prompt.push_back(static_cast<TokenId>((base + i * 5) % 64));
  }
  r.sampling.max_tokens = max_tokens;
  return r;
}

struct Answer {
  std::vector<TokenId> tokens;
  FinishReason finish = FinishReason::kNone;
};

Answer read_all(Outbox& outbox) {
  Answer out;
  while (const TokenEvent* event = outbox.wait()) {
    for (TokenId t : event->token_span()) out.tokens.push_back(t);
    if (event->finish != FinishReason::kNone) out.finish = event->finish;
  }
  return out;
}

std::vector<Answer> answers(bool overlap) {
  OracleModel model(small_limits());
  FakeClock clock;
  Loop loop(model, {{}, overlap}, clock);
  std::vector<std::shared_ptr<Outbox>> boxes;
  for (TokenId i = 0; i < 9; ++i) boxes.push_back(loop.submit(make_request(20 + 9 * i, 40, i)));
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
    const Request r = make_request(20 + 9 * static_cast<int64_t>(i), 40, static_cast<TokenId>(i));
    EXPECT_EQ(plain[i].tokens, expected_stream(small_limits(), 256, r, 0).tokens) << i;
  }
}

TEST(Loop, OverlapKeepsOneStepInFlight) {
  OracleModel model(small_limits());
  FakeClock clock;
  Loop loop(model, {}, clock);
  const auto box = loop.submit(make_request(4, 8, 1));
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
  const Request request = make_request(50, 30, 3);
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
  loop.generate(make_request(50, 200, 3), [&](const TokenEvent& event) {
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
        const Request request = make_request(10 + 7 * i, 20, static_cast<TokenId>(w * 10 + i));
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
  const auto box = loop->submit(make_request(10, 200, 1));
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
  const auto early = loop->submit(make_request(10, 20, 1));
  EXPECT_EQ(read_all(*early).tokens.size(), 20u);
  loop->stop();
  engine.join();
  Request two = make_request(10, 20, 1);
  two.sampling.n = 2;
  const auto late = loop->submit(two);
  for (int32_t choice : {0, 1}) {
    const TokenEvent* event = late->poll();
    ASSERT_NE(event, nullptr);
    EXPECT_EQ(event->finish, FinishReason::kCancelled);
    EXPECT_EQ(event->choice, choice);
    EXPECT_EQ(event->request_done, choice == 1);
  }
  const auto last = loop->submit(make_request(10, 20, 1));
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
          const auto box = loop.submit(make_request(5, 30, w));
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
    boxes.push_back(loop.submit(make_request(10, 15, i), [&] {
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
    boxes.push_back(loop.submit(make_request(10, 100, static_cast<TokenId>(i % 60))));
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

TEST(Loop, AFaultOfTheModelEndsItsRequestsAndTheLoopGoesOn) {
  for (const bool at_submit : {false, true}) {
    for (const bool overlap : {false, true}) {
      OracleModel model(small_limits());
      auto fault = [](int64_t step) {
        if (step == 3) fail(ErrorCode::kInternal, "test", "injected");
        if (step == 9) fail(ErrorCode::kOutOfMemory, "test", "injected");
      };
      (at_submit ? model.on_submit : model.on_collect) = fault;
      FakeClock clock;
      Loop loop(model, {{}, overlap}, clock);
      const auto first = loop.submit(make_request(10, 50, 1));
      while (loop.step()) loop.scheduler().check_invariants();
      EXPECT_EQ(read_all(*first).finish, FinishReason::kInternal);
      const auto second = loop.submit(make_request(10, 50, 2));
      while (loop.step()) loop.scheduler().check_invariants();
      EXPECT_EQ(read_all(*second).finish, FinishReason::kOutOfMemory);
      const Request request = make_request(10, 20, 3);
      const auto third = loop.submit(request);
      while (loop.step()) loop.scheduler().check_invariants();
      EXPECT_EQ(read_all(*third).tokens, expected_stream(small_limits(), 256, request, 0).tokens);
    }
  }
}

TEST(Loop, ExceptionsOfLibrariesEndTheirStepToo) {
  for (const bool at_submit : {false, true}) {
    OracleModel model(small_limits());
    auto fault = [](int64_t step) {
      if (step == 3) throw std::out_of_range("injected");
      if (step == 9) throw std::bad_alloc();
    };
    (at_submit ? model.on_submit : model.on_collect) = fault;
    FakeClock clock;
    Loop loop(model, {}, clock);
    for (const FinishReason reason : {FinishReason::kInternal, FinishReason::kOutOfMemory}) {
      const auto box = loop.submit(make_request(10, 50, 1));
      while (loop.step()) loop.scheduler().check_invariants();
      EXPECT_EQ(read_all(*box).finish, reason);
    }
  }
}

// Every place of a step where the scheduler or the loop may throw: its live requests end with
// `internal`, and the loop serves the next ones from empty pages.
TEST(Loop, AFaultOfOursEndsTheLiveRequestsAndTheLoopGoesOn) {
  const std::vector<std::function<void()>> faults = {
      [] { CHECK_EQ(1, 2); }, [] { throw std::bad_alloc(); }, [] { throw 42; }};
  for (const std::string phase :
       {"taking a request", "cancelling a request", "planning a step", "ending a step's requests",
        "committing a step", "handing out an event"}) {
    for (const bool overlap : {false, true}) {
      for (size_t f = 0; f < faults.size(); ++f) {
        SCOPED_TRACE(fmt::format("{} overlap {} fault {}", phase, overlap, f));
        OracleModel model(small_limits());
        const bool of_a_failed_step = phase == "ending a step's requests";
        if (of_a_failed_step) {
          model.on_collect = [](int64_t step) {
            if (step == 6) fail(ErrorCode::kInternal, "test", "injected");
          };
        }
        int left = of_a_failed_step ? 1 : 2;
        LoopOptions options{{}, overlap};
        options.on_phase = [&](std::string_view name) {
          if (name == phase && --left == 0) faults[f]();
        };
        FakeClock clock;
        Loop loop(model, options, clock);
        std::vector<std::shared_ptr<Outbox>> boxes;
        for (TokenId i = 0; i < 6; ++i) {
          boxes.push_back(loop.submit(make_request(20, 40, i)));
          if (i == 1 || i == 3) boxes.back()->cancel();
        }
        for (int step = 0; step < 1000 && left > 0; ++step) loop.step();
        ASSERT_EQ(left, 0);
        loop.scheduler().check_invariants();
        while (loop.step()) loop.scheduler().check_invariants();
        EXPECT_TRUE(loop.scheduler().idle());
        int internal = 0;
        for (const auto& box : boxes) {
          const Answer got = read_all(*box);
          EXPECT_NE(got.finish, FinishReason::kNone);
          internal += got.finish == FinishReason::kInternal;
        }
        EXPECT_GE(internal, 1);
        const Request request = make_request(20, 30, 3);
        const auto after = loop.submit(request);
        while (loop.step()) {
        }
        EXPECT_EQ(read_all(*after).tokens, expected_stream(small_limits(), 256, request, 0).tokens);
      }
    }
  }
}

// In the middle of a plan, with pages taken and sequences moved on.
TEST(Loop, AFaultInTheMiddleOfAPlanLeavesNothingBehind) {
  class Guesses final : public DraftSource {
   public:
    int draft(const Sequence&, int, TokenId*) override {
      CHECK_MSG(++calls != 7, "call {}", calls);
      return 0;
    }
    int calls = 0;
  } drafts;
  OracleModel model(small_limits());
  LoopOptions options;
  options.scheduler.drafts = &drafts;
  FakeClock clock;
  Loop loop(model, options, clock);
  std::vector<std::shared_ptr<Outbox>> boxes;
  for (TokenId i = 0; i < 3; ++i) boxes.push_back(loop.submit(make_request(20, 30, i)));
  while (loop.step()) loop.scheduler().check_invariants();
  EXPECT_GT(drafts.calls, 7 - 1);
  for (const auto& box : boxes) EXPECT_EQ(read_all(*box).finish, FinishReason::kInternal);
  const int64_t steps = loop.scheduler().stats().steps;
  const auto after = loop.submit(make_request(20, 30, 1));
  while (loop.step()) loop.scheduler().check_invariants();
  EXPECT_EQ(read_all(*after).tokens.size(), 30u);
  EXPECT_GT(loop.scheduler().stats().steps, steps);  // they go on
}

TEST(Loop, AResultOfAnotherStepEndsItsRequestsAlone) {
  class Confused final : public ModelRunner {
   public:
    explicit Confused(ModelLimits limits) : inner_(std::move(limits)) {}
    const ModelLimits& limits() const override { return inner_.limits(); }
    void submit(const Batch& batch) override { inner_.submit(batch); }
    void collect(StepResult& result) override {
      inner_.collect(result);
      if (result.step == 3) result.rows.pop_back();
      if (result.step == 30) result.step = 29;
    }

   private:
    OracleModel inner_;
  } model(small_limits());
  FakeClock clock;
  Loop loop(model, {}, clock);
  for (int round = 0; round < 2; ++round) {
    const auto box = loop.submit(make_request(10, 50, 1));
    while (loop.step()) loop.scheduler().check_invariants();
    EXPECT_EQ(read_all(*box).finish, FinishReason::kInternal);
  }
  EXPECT_EQ(loop.scheduler().stats().finished, 2);  // by the same scheduler
}

TEST(Loop, ReadersOfAThreadedLoopSurviveItsFaults) {
  OracleModel model(small_limits());
  SteadyClock clock;
  LoopOptions options;
  int phases = 0;
  options.on_phase = [&](std::string_view) { CHECK_NE(++phases % 50, 0); };
  Loop loop(model, options, clock);
  std::thread engine([&] { loop.run(); });
  std::vector<std::thread> workers;
  std::atomic<int> ended{0};
  for (TokenId w = 0; w < 3; ++w) {
    workers.emplace_back([&, w] {
      for (int i = 0; i < 20; ++i) {
        ended += read_all(*loop.submit(make_request(10, 10, w))).finish != FinishReason::kNone;
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(ended, 60);
  options.on_phase = nullptr;
  loop.stop();
  engine.join();
}

TEST(Loop, WithoutANewSchedulerTheLoopEnds) {
  OracleModel model(small_limits());
  SteadyClock clock;
  LoopOptions options;
  int steps = 0;
  options.on_phase = [&](std::string_view phase) {
    if (phase == "committing a step") CHECK_LT(++steps, 5);
    if (phase == "making a new scheduler") throw std::bad_alloc();
  };
  Loop loop(model, options, clock);
  std::vector<std::shared_ptr<Outbox>> boxes;
  for (TokenId i = 0; i < 8; ++i) boxes.push_back(loop.submit(make_request(10, 50, i)));
  loop.run();  // comes back without stop()
  for (const auto& box : boxes) EXPECT_EQ(read_all(*box).finish, FinishReason::kInternal);
  EXPECT_EQ(read_all(*loop.submit(make_request(10, 50, 1))).finish, FinishReason::kCancelled);
  EXPECT_FALSE(loop.step());
}

TEST(Loop, ARequestThatIsRefusedTakesNoMemory) {
  ModelLimits limits = small_limits();
  limits.max_seq_len = int64_t{1} << 40;
  limits.state_groups[0].kind = KvKind::kWindowed;  // no bound of its own
  limits.state_groups[0].window = 40;
  OracleModel model(limits);
  FakeClock clock;
  Loop loop(model, {}, clock);
  for (const int32_t n : {5, 1 << 30}) {  // the latter nobody validated
    Request wide = make_request(10, int64_t{1} << 40, 1);
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
  const auto running = loop.submit(make_request(20, 50, 1));
  loop.step();  // it runs, and waits no more
  std::vector<std::shared_ptr<Outbox>> waiting;
  for (TokenId i = 0; i < 3; ++i) waiting.push_back(loop.submit(make_request(20, 5, i)));
  const auto fourth = loop.submit(make_request(1, 5, 1));
  EXPECT_EQ(finish_now(*fourth), FinishReason::kOverloaded);
  EXPECT_TRUE(fourth->done());
  waiting[1]->cancel();
  loop.step();
  EXPECT_EQ(finish_now(*loop.submit(make_request(61, 5, 1))), FinishReason::kOverloaded);
  const auto fits = loop.submit(make_request(60, 5, 1));
  EXPECT_EQ(finish_now(*fits), FinishReason::kNone);
  while (loop.step()) {
  }
  EXPECT_EQ(read_all(*running).tokens.size(), 50u);
  EXPECT_EQ(read_all(*waiting[0]).tokens.size(), 5u);
  EXPECT_EQ(read_all(*fits).tokens.size(), 5u);
  const auto alone = loop.submit(make_request(200, 5, 1));  // longer than the bound
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
    const auto box = loop.submit(make_request(0, 5, 1));
    loop.step();
    EXPECT_EQ(read_all(*box).finish, FinishReason::kInternal);
  }
}

// A queue of long answers costs what the prompts cost: room for tokens is taken when they run.
TEST(Loop, ARequestThatWaitsTakesNoMemoryForItsAnswer) {
  ModelLimits limits = small_limits();
  limits.max_seq_len = int64_t{1} << 40;
  limits.state_groups[0].kind = KvKind::kWindowed;
  limits.state_groups[0].window = 40;
  limits.max_batch_rows = 1;
  OracleModel model(limits);
  FakeClock clock;
  Loop loop(model, {}, clock);
  const auto running = loop.submit(make_request(10, 3, 1));
  Request request = make_request(10, int64_t{1} << 36, 2);  // 256 GiB of tokens
  const auto waiting = loop.submit(request);
  loop.step();
  EXPECT_EQ(loop.scheduler().live_requests(), 2u);
  waiting->cancel();
  while (loop.step()) {
  }
  EXPECT_EQ(read_all(*running).tokens.size(), 3u);
  EXPECT_EQ(read_all(*waiting).finish, FinishReason::kCancelled);
}

TEST(Loop, ACallbackThatThrowsCancels) {
  OracleModel model(small_limits());
  FakeClock clock;
  Loop loop(model, {}, clock);
  EXPECT_THROW(loop.generate(make_request(10, 200, 3),
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
  const auto too_long = loop.submit(make_request(256, 5, 1));
  const auto empty = loop.submit(make_request(0, 5, 1));
  Request outside = make_request(3, 5, 1);
  outside.prompt[1] = 64;
  const auto unknown = loop.submit(outside);
  while (loop.step()) {
  }
  EXPECT_EQ(read_all(*too_long).finish, FinishReason::kTooLong);
  EXPECT_EQ(read_all(*empty).finish, FinishReason::kInternal);
  EXPECT_EQ(read_all(*unknown).finish, FinishReason::kInternal);
}

TEST(OracleModel, ACorruptedPageChangesTheStream) {
  const Request request = make_request(70, 40, 5);
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
