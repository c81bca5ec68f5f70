// Draws that are put off, through the loop: on the oracle, and answers in a form whose mask is
// late, on an engine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "base/error.h"
#include "runtime/engine_runner.h"
#include "runtime/loop.h"
#include "tests/contracts/fake_device.h"
#include "tests/runtime/form_requests.h"
#include "tests/runtime/loop_harness.h"
#include "tests/runtime/oracle_streams.h"
#include "tests/runtime/tiny_engine.h"

namespace ingot {
namespace {

void await(const std::function<bool()>& holds) {
  for (int i = 0; i < 6000 && !holds(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ASSERT_TRUE(holds());
}

// ---- on the oracle

// The draws of slot 0, which the first request gets, are put off until open().
class GatedLoop {
 public:
  explicit GatedLoop(bool overlap) : model_(small_limits()), loop_(model_, {{}, overlap}, clock_) {
    model_.draw_is_due = [this](int32_t slot) {
      if (slot != 0 || open_.load()) return true;
      ++asked_;
      return false;
    };
  }
  ~GatedLoop() { end(); }
  Loop& loop() { return loop_; }
  OracleModel& model() { return model_; }
  const SteadyClock& clock() const { return clock_; }
  int64_t asked() const { return asked_.load(); }
  void open() {
    open_.store(true);
    model_.wake();
  }
  void start() {
    thread_ = std::thread([this] { loop_.run(); });
  }
  // The first request has been put off, and asked for again: the loop sleeps, or is about to.
  void wait_until_put_off() {
    await([this] { return asked_.load() >= 2; });
  }
  void end() {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
  }

 private:
  SteadyClock clock_;
  std::atomic<bool> open_{false};
  std::atomic<int64_t> asked_{0};
  OracleModel model_;
  Loop loop_;
  std::thread thread_;
};

void expect_oracles(const Answer& got, const Request& request) {
  const ExpectedStream want = expected_stream(small_limits(), 256, request, 0);
  EXPECT_EQ(got.tokens, want.tokens);
  EXPECT_EQ(got.finish, want.finish);
}

class PutOff : public ::testing::TestWithParam<bool> {};

TEST_P(PutOff, OthersGoOnAndNothingIsLost) {
  GatedLoop gated(GetParam());
  const Request first = small_request(40, 20, 3), second = small_request(9, 30, 4);
  const auto one = gated.loop().submit(first);
  const auto other = gated.loop().submit(second);
  gated.start();
  expect_oracles(read_all(*other), second);
  EXPECT_EQ(one->poll(), nullptr);
  const Request third = small_request(5, 3, 5);  // while the loop has nothing else
  gated.wait_until_put_off();
  expect_oracles(read_all(*gated.loop().submit(third)), third);
  gated.open();
  expect_oracles(read_all(*one), first);
  gated.end();
  EXPECT_GT(gated.loop().scheduler().stats().put_off, 0);
}

TEST_P(PutOff, WhereAllIsPutOffTheLoopSleeps) {
  GatedLoop gated(GetParam());
  const Request request = small_request(33, 4, 3);
  const auto one = gated.loop().submit(request);
  gated.start();
  gated.wait_until_put_off();
  for (int64_t i = 0; i < 3; ++i) {
    const int64_t before = gated.asked();
    gated.model().wake();  // for nothing
    await([&] { return gated.asked() > before; });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_LT(gated.asked(), 50);  // a loop that does not sleep asks many thousand times
  gated.open();
  expect_oracles(read_all(*one), request);
}

TEST_P(PutOff, WhoStandsStillCanBeCancelledAndTimesOut) {
  GatedLoop gated(GetParam());
  Request with_deadline = small_request(33, 4, 3);
  with_deadline.deadline_ns = gated.clock().now_ns() + 50'000'000;
  const auto late = gated.loop().submit(with_deadline);
  gated.start();
  EXPECT_EQ(read_all(*late).finish, FinishReason::kTimeout);
  const int64_t before = gated.asked();
  const auto given_up = gated.loop().submit(small_request(33, 4, 3));
  await([&] { return gated.asked() >= before + 2; });
  given_up->cancel();
  const Answer answer = read_all(*given_up);
  EXPECT_EQ(answer.finish, FinishReason::kCancelled);
  EXPECT_THAT(answer.tokens, testing::IsEmpty());
  const auto cut = gated.loop().submit(small_request(33, 4, 3));
  await([&] { return gated.asked() >= before + 4; });
  gated.end();  // a loop that sleeps ends too
  EXPECT_EQ(read_all(*cut).finish, FinishReason::kCancelled);
  EXPECT_EQ(gated.loop().scheduler().kv().available(0), 12);
}

TEST_P(PutOff, OnesOwnLoopWaitsToo) {
  GatedLoop gated(GetParam());
  const Request request = small_request(12, 6, 8);
  std::thread opener([&] {
    gated.wait_until_put_off();
    gated.open();
  });
  Answer got;
  gated.loop().generate(request, [&](const TokenEvent& event) {
    for (const TokenId t : event.token_span()) got.tokens.push_back(t);
    got.finish = event.finish;
    return true;
  });
  opener.join();
  expect_oracles(got, request);
}

// Steps 2 and 3 are planned and not submitted, with nothing else in flight: who waits behind them
// is not left to wait for the draw too.
TEST_P(PutOff, StepsThatFailDoNotMakeOthersWait) {
  GatedLoop gated(GetParam());
  gated.model().on_submit = [](int64_t step) {
    if (step == 2 || step == 3) fail(ErrorCode::kInternal, "test", "not submitted, as planned");
  };
  const Request first = small_request(40, 4, 3), last = small_request(9, 5, 6);
  const auto one = gated.loop().submit(first);
  const auto second = gated.loop().submit(small_request(56, 4, 4));  // 8 tokens go into step 1
  const auto third = gated.loop().submit(small_request(48, 4, 5));
  const auto other = gated.loop().submit(last);
  gated.start();
  await([&] { return other->poll() != nullptr; });
  EXPECT_EQ(read_all(*second).finish, FinishReason::kInternal);
  EXPECT_EQ(read_all(*third).finish, FinishReason::kInternal);
  EXPECT_EQ(read_all(*other).finish, FinishReason::kLength);
  gated.open();
  expect_oracles(read_all(*one), first);
}

INSTANTIATE_TEST_SUITE_P(Overlap, PutOff, ::testing::Bool());

// ---- on an engine

// What the workers of masks are held by, slot by slot.
class Gate {
 public:
  void hold(int32_t slot) {
    const std::lock_guard lock(mutex_);
    held_.insert(slot);
  }
  void open() {
    const std::lock_guard lock(mutex_);
    held_.clear();
    changed_.notify_all();
  }
  // A worker waits here.
  void pass(int32_t slot) {
    std::unique_lock lock(mutex_);
    if (held_.contains(slot)) ++came_;
    changed_.wait(lock, [&] { return !held_.contains(slot); });
  }
  int came() {
    const std::lock_guard lock(mutex_);
    return came_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<int32_t> held_;
  int came_ = 0;
};

struct Text {
  std::string text;
  FinishReason finish = FinishReason::kNone;
  // False: there is more to come.
  bool read(Outbox& box) {
    while (const TokenEvent* event = box.poll()) {
      text += text_of(event->token_span());
      if (event->finish != FinishReason::kNone) finish = event->finish;
    }
    return finish != FinishReason::kNone;
  }
};

// Of one choice: what a client sees.
struct Choice {
  std::string text;
  std::vector<float> logprobs, prompt_logprobs;
  FinishReason finish = FinishReason::kNone;
  bool operator==(const Choice&) const = default;
};

struct FormLoop {
  explicit FormLoop(Device& device, const Clock& clock, int64_t pages = 24, bool invariant = false)
      : runner(tiny_engine(), device, options(*this, device, pages, invariant)),
        loop(runner, {}, clock) {}
  ~FormLoop() { gate.open(); }
  static EngineRunnerOptions options(FormLoop& self, const Device& device, int64_t pages,
                                     bool invariant) {
    EngineRunnerOptions out{.kv_pages = pages};
    out.executor.selection.reference = device.host_visible() && !invariant;
    out.executor.selection.invariant = invariant;
    out.on_mask_work = [&self](int32_t slot) { self.gate.pass(slot); };
    return out;
  }
  void step() {
    loop.step();
    loop.scheduler().check_invariants();
  }
  Text rest_of(Outbox& box) {
    Text out;
    while (!out.read(box)) step();
    return out;
  }

  Gate gate;
  EngineRunner runner;
  Loop loop;
};

struct Machine {
  std::string name;
  std::function<std::unique_ptr<Device>()> make;
  bool invariant = false;  // with the kernels that invariant mode takes
};

class Forms : public ::testing::TestWithParam<Machine> {
 protected:
  // What the request has alone.
  std::string alone(const Request& request) {
    FormLoop one(*device_, clock_, 24, GetParam().invariant);
    const auto box = one.loop.submit(request);
    const Text out = one.rest_of(*box);
    EXPECT_EQ(out.finish, FinishReason::kStop);
    return out.text;
  }
  // All that comes of a request; `late`: each of its draws is put off at least once, as far as the
  // workers of masks can be held up in time.
  std::vector<Choice> choices_of(const Request& request, bool late);
  std::unique_ptr<Device> device_ = GetParam().make();
  SteadyClock clock_;
};

TEST_P(Forms, AMaskThatIsLateHoldsItsOwnRowUp) {
  const Request slow = request_in("([a-d]{3}-){9}[xy]", 1), quick = request_in("[0-9]{30}Z", 2);
  Request free = request_in("", 3);
  free.sampling.max_tokens = 40;
  free.sampling.eos_token_ids.clear();
  const std::string wanted = alone(slow), wanted_quick = alone(quick);
  FormLoop forms(*device_, clock_, 24, GetParam().invariant);
  forms.gate.hold(0);
  const auto box = forms.loop.submit(slow);
  const auto others = {forms.loop.submit(quick), forms.loop.submit(free)};
  Text got;
  // Inline: a step that waited for the mask would not come back.
  EXPECT_EQ(forms.rest_of(**others.begin()).text, wanted_quick);
  EXPECT_EQ(forms.rest_of(**(others.begin() + 1)).text.size(), 40u);
  EXPECT_GT(forms.gate.came(), 0);
  EXPECT_FALSE(got.read(*box));
  EXPECT_EQ(got.text, "");
  EXPECT_GT(forms.loop.scheduler().stats().put_off, 0);
  forms.gate.open();
  EXPECT_EQ(forms.rest_of(*box).text, wanted);
}

// The mask of its tenth token or so is late, and the request ends meanwhile.
TEST_P(Forms, AnAnswerEndsInTheMiddleOfItsForm) {
  const Request whole = request_in("([a-d]{3}-){9}[xy]", 1);
  const std::string wanted = alone(whole);
  for (const FinishReason how : {FinishReason::kTimeout, FinishReason::kCancelled}) {
    FakeClock clock;
    FormLoop forms(*device_, clock, 24, GetParam().invariant);
    Request request = whole;
    request.deadline_ns = clock.now_ns() + 1'000'000;
    const auto box = forms.loop.submit(request);
    Request free = request_in("", 3);
    free.sampling.max_tokens = 200;
    const auto other = forms.loop.submit(free);
    Text got;
    while (got.text.size() < 10) {
      forms.step();
      ASSERT_FALSE(got.read(*box));
    }
    forms.gate.hold(0);
    while (forms.gate.came() == 0 || forms.loop.scheduler().standing_still() == 0) forms.step();
    if (how == FinishReason::kCancelled) box->cancel();
    if (how == FinishReason::kTimeout) clock.advance_ns(2'000'000);
    forms.step();
    EXPECT_TRUE(got.read(*box));
    EXPECT_EQ(got.finish, how);
    EXPECT_EQ(got.text, wanted.substr(0, got.text.size()));
    forms.gate.open();
    const auto next = forms.loop.submit(whole);  // in the same slot
    EXPECT_EQ(forms.rest_of(*next).text, wanted);
    other->cancel();
    while (forms.loop.step()) forms.loop.scheduler().check_invariants();
    EXPECT_EQ(forms.loop.scheduler().kv().available(0), 24);
  }
}

TEST_P(Forms, OneThatIsPreemptedGoesOnWhereItWas) {
  Request form = request_in("([a-d]{3}-){9}[xy]", 1);
  form.priority = 5;
  const std::string wanted = alone(form);
  for (const bool late : {false, true}) {
    FormLoop forms(*device_, clock_, 3, GetParam().invariant);
    const auto box = forms.loop.submit(form);
    Text got;
    while (got.text.size() < 10) {
      forms.step();
      ASSERT_FALSE(got.read(*box));
    }
    if (late) forms.gate.hold(0);
    Request urgent = request_in("", 3);
    urgent.sampling.max_tokens = 40;
    urgent.sampling.eos_token_ids.clear();
    const auto other = forms.loop.submit(urgent);
    EXPECT_EQ(forms.rest_of(*other).text.size(), 40u);
    EXPECT_GT(forms.loop.scheduler().stats().preemptions, 0);
    forms.gate.open();
    const Text rest = forms.rest_of(*box);
    EXPECT_EQ(got.text + rest.text, wanted);
    EXPECT_EQ(rest.finish, FinishReason::kStop);
  }
}

TEST_P(Forms, TheLoopEndsWhileAMaskIsLate) {
  const Request whole = request_in("([a-d]{3}-){9}[xy]", 1);
  const std::string wanted = alone(whole);
  FormLoop forms(*device_, clock_, 24, GetParam().invariant);
  forms.gate.hold(0);
  const auto box = forms.loop.submit(whole);
  std::thread thread([&] { forms.loop.run(); });
  await([&] { return forms.gate.came() > 0; });
  forms.loop.stop();
  thread.join();
  Text got;
  EXPECT_TRUE(got.read(*box));
  EXPECT_EQ(got.finish, FinishReason::kCancelled);
  EXPECT_EQ(got.text, wanted.substr(0, got.text.size()));
}

std::vector<Choice> Forms::choices_of(const Request& request, bool late) {
  FormLoop forms(*device_, clock_, 24, GetParam().invariant);
  const auto box = forms.loop.submit(request);
  std::vector<Choice> out(static_cast<size_t>(choice_count(request.sampling)));
  bool done = false;
  std::shared_ptr<Outbox> busy;  // somebody runs, so that a step comes back
  int put_off = 0;
  const auto step = [&] {
    Text ignored;
    if (late && (!busy || ignored.read(*busy))) busy = forms.loop.submit(request_in("", 3));
    forms.step();
    while (const TokenEvent* event = box->poll()) {
      Choice& one = out[static_cast<size_t>(event->choice)];
      one.text += text_of(event->token_span());
      for (const auto& logprobs : event->logprobs) one.logprobs.push_back(logprobs.chosen);
      for (const auto& logprobs : event->prompt_logprobs) {
        one.prompt_logprobs.push_back(logprobs.chosen);
      }
      if (event->finish != FinishReason::kNone) one.finish = event->finish;
      done = event->request_done;
    }
  };
  while (!done) {
    if (late) {
      for (int32_t slot = 0; slot < forms.runner.limits().max_batch_rows; ++slot) {
        forms.gate.hold(slot);
      }
      while (!done && forms.loop.scheduler().standing_still() == 0) step();
      put_off += !done;
      forms.gate.open();
    }
    if (!done) step();
  }
  if (late) EXPECT_GE(put_off, 10);
  return out;
}

// Penalties, draws, logprobs and prompt logprobs count a position that is computed twice once, for
// choices that share the prompt's pages too; blocks end within the answers.
TEST_P(Forms, WhatIsPutOffAgainAndAgainIsTheSame) {
  Request request = request_in("([a-d]{3}-){9}[xy]", 1);
  SamplingParams& p = request.sampling;
  p.n = 3;
  p.presence_penalty = 0.5;
  p.frequency_penalty = 0.4;
  p.repetition_penalty = 1.2;
  p.top_p = 0.9;
  p.logit_bias = {{id_of('b'), 0.5F}};
  p.logprobs = 1;
  p.prompt_logprobs = 1;
  validate(p, kTinyVocab);
  const std::vector<Choice> wanted = choices_of(request, false);
  EXPECT_EQ(wanted[0].prompt_logprobs.size(), request.prompt.size() - 1);
  EXPECT_EQ(wanted[2].logprobs.size(), wanted[2].text.size());
  EXPECT_NE(wanted[0].text, wanted[1].text);
  EXPECT_EQ(choices_of(request, true), wanted);
}

TEST_P(Forms, AFormThatCannotGoOnEndsWhileItStandsStill) {
  FormLoop forms(*device_, clock_, 24, GetParam().invariant);
  forms.gate.hold(0);
  const auto box = forms.loop.submit(request_in("\u00e9", 1));  // which no token begins
  const auto other = forms.loop.submit(request_in("[0-9]{30}Z", 2));
  EXPECT_EQ(forms.rest_of(*other).finish, FinishReason::kStop);
  EXPECT_EQ(forms.loop.scheduler().standing_still(), 1U);
  forms.gate.open();
  const Text got = forms.rest_of(*box);
  EXPECT_EQ(got.text, "");
  EXPECT_EQ(got.finish, FinishReason::kFormFault);
}

INSTANTIATE_TEST_SUITE_P(
    On, Forms,
    ::testing::Values(Machine{"Cpu", [] { return make_cpu_device(1); }},
                      Machine{"Invariant", [] { return make_cpu_device(1); }, true},
                      Machine{"Apart", [] { return std::make_unique<FakeDevice>(); }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ingot
