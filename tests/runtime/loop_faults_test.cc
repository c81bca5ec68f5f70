// Faults of the model, the scheduler and the loop itself: whose requests end, and what goes on.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <new>
#include <stdexcept>
#include <thread>

#include "base/check.h"
#include "base/error.h"
#include "tests/runtime/loop_harness.h"
#include "tests/runtime/oracle_streams.h"

namespace ingot {
namespace {

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
      const auto first = loop.submit(small_request(10, 50, 1));
      while (loop.step()) loop.scheduler().check_invariants();
      EXPECT_EQ(read_all(*first).finish, FinishReason::kInternal);
      const auto second = loop.submit(small_request(10, 50, 2));
      while (loop.step()) loop.scheduler().check_invariants();
      EXPECT_EQ(read_all(*second).finish, FinishReason::kOutOfMemory);
      const Request request = small_request(10, 20, 3);
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
      const auto box = loop.submit(small_request(10, 50, 1));
      while (loop.step()) loop.scheduler().check_invariants();
      EXPECT_EQ(read_all(*box).finish, reason);
    }
  }
}

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
          boxes.push_back(loop.submit(small_request(20, 40, i)));
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
        EXPECT_EQ(loop.stats().requests_finished, 6);
        const Request request = small_request(20, 30, 3);
        const auto after = loop.submit(request);
        while (loop.step()) {
        }
        EXPECT_EQ(read_all(*after).tokens, expected_stream(small_limits(), 256, request, 0).tokens);
        EXPECT_EQ(loop.stats().requests_finished, 7);
      }
    }
  }
}

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
  for (TokenId i = 0; i < 3; ++i) boxes.push_back(loop.submit(small_request(20, 30, i)));
  while (loop.step()) loop.scheduler().check_invariants();
  EXPECT_GT(drafts.calls, 7 - 1);
  for (const auto& box : boxes) EXPECT_EQ(read_all(*box).finish, FinishReason::kInternal);
  const int64_t steps = loop.scheduler().stats().steps;
  const auto after = loop.submit(small_request(20, 30, 1));
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
    const auto box = loop.submit(small_request(10, 50, 1));
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
  std::atomic<bool> faults{true};
  options.on_phase = [&](std::string_view) {
    if (faults) CHECK_NE(++phases % 50, 0);
  };
  Loop loop(model, options, clock);
  std::thread engine([&] { loop.run(); });
  std::vector<std::thread> workers;
  std::atomic<int> ended{0};
  for (TokenId w = 0; w < 3; ++w) {
    workers.emplace_back([&, w] {
      for (int i = 0; i < 20; ++i) {
        ended += read_all(*loop.submit(small_request(10, 10, w))).finish != FinishReason::kNone;
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(ended, 60);
  faults = false;
  const Request request = small_request(20, 30, 3);
  EXPECT_EQ(read_all(*loop.submit(request)).tokens,
            expected_stream(small_limits(), 256, request, 0).tokens);
  loop.stop();
  engine.join();
  EXPECT_EQ(loop.stats().requests_finished, 61);
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
  for (TokenId i = 0; i < 8; ++i) boxes.push_back(loop.submit(small_request(10, 50, i)));
  loop.run();  // comes back without stop()
  for (const auto& box : boxes) EXPECT_EQ(read_all(*box).finish, FinishReason::kInternal);
  EXPECT_EQ(loop.stats().requests_finished, 8);
  EXPECT_EQ(read_all(*loop.submit(small_request(10, 50, 1))).finish, FinishReason::kCancelled);
  EXPECT_FALSE(loop.step());
}

}  // namespace
}  // namespace ingot
