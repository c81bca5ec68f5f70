#include "runtime/grammar_masks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <regex>

#include "base/error.h"
#include "runtime/engine_runner.h"
#include "runtime/loop.h"
#include "tests/contracts/fake_device.h"
#include "tests/runtime/form_requests.h"
#include "tests/runtime/tiny_engine.h"

namespace ingot {
namespace {

using State = GrammarMasks::State;

// The tokens that the slot's mask lets through.
std::string allowed(GrammarMasks& masks, int32_t slot) {
  const GrammarMasks::Mask mask = masks.mask(slot);
  EXPECT_EQ(mask.state, State::kOpen);
  EXPECT_EQ(mask.bits.size(), 4u);
  std::vector<TokenId> out;
  for (TokenId id = 0; id < 128; ++id) {
    const auto bit = static_cast<size_t>(id);
    if ((mask.bits[bit / 32] >> (bit % 32) & 1) != 0) out.push_back(id);
  }
  return text_of(out);
}

TEST(GrammarMasks, FollowTheTokensOfTheirSlot) {
  GrammarMasks masks(3, 4);
  masks.begin(0, form_of("[ab]+c"), {});
  masks.begin(2, form_of("xyz?"), ids_of("xy"));  // drawn before it was put off
  EXPECT_EQ(allowed(masks, 0), "ab");
  EXPECT_EQ(allowed(masks, 2), "z.");
  masks.take(0, ids_of("a"));
  masks.take(0, ids_of("bb"));
  EXPECT_EQ(allowed(masks, 0), "abc");
  masks.take(0, ids_of("c"));
  EXPECT_EQ(allowed(masks, 0), ".");
  masks.take(0, std::vector<TokenId>{kEnd});
  EXPECT_EQ(masks.mask(0).state, State::kEnded);
  masks.take(0, ids_of("a"));  // of a step that was on its way
  EXPECT_EQ(masks.mask(0).state, State::kEnded);
  masks.begin(0, form_of("q"), {});  // another answer in the same slot
  EXPECT_EQ(allowed(masks, 0), "q");
}

TEST(GrammarMasks, ATokenThatTheGrammarDoesNotHaveIsAFaultOfItsSlot) {
  GrammarMasks masks(2, 4);
  masks.begin(0, form_of("a+"), {});
  masks.begin(1, form_of("a+"), {});
  masks.take(0, ids_of("ab"));
  masks.take(1, ids_of("aa"));
  EXPECT_EQ(masks.mask(0).state, State::kFault);
  EXPECT_EQ(allowed(masks, 1), "a.");
  masks.take(0, ids_of("a"));
  EXPECT_EQ(masks.mask(0).state, State::kFault);
  masks.begin(1, form_of("abc"), ids_of("ax"));
  EXPECT_EQ(masks.mask(1).state, State::kFault);
}

TEST(GrammarMasks, SlotsWithoutAGrammarTakeNothing) {
  GrammarMasks masks(1, 4);
  masks.begin(0, nullptr, ids_of("a"));
  masks.take(0, ids_of("b"));
  masks.begin(0, form_of("ab"), {});
  masks.take(0, ids_of("a"));
  masks.begin(0, nullptr, {});
  masks.take(0, ids_of("zz"));
  masks.begin(0, form_of("ab"), {});
  EXPECT_EQ(allowed(masks, 0), "a");
}

TEST(GrammarMasks, ManySlotsAtOnceAndAnEndWithWorkLeft) {
  constexpr int32_t kSlots = 64;
  GrammarMasks masks(kSlots, 4);
  const auto one = form_of("([ab]{3}-){20}c");
  for (int round = 0; round < 5; ++round) {
    for (int32_t s = 0; s < kSlots; ++s) masks.begin(s, one, {});
    for (int t = 0; t < 20; ++t) {
      for (int32_t s = 0; s < kSlots; ++s) masks.take(s, ids_of(t % 4 == 3 ? "-" : "b"));
      for (int32_t s = t % 2; s < kSlots; s += 2) {
        EXPECT_EQ(allowed(masks, s), t % 4 == 2 ? "-" : "ab");
      }
    }
  }
  for (int32_t s = 0; s < kSlots; ++s) masks.take(s, ids_of("bbb-bbb-"));
}

TEST(GrammarMasks, WhoAsksBeforeAMaskIsThereIsTold) {
  std::promise<void> gate;
  std::atomic<int> told = 0;
  GrammarMasks masks(3, 4, [opened = gate.get_future().share()](int32_t slot) {
    if (slot == 1) opened.wait();
  });
  masks.on_ready([&] { ++told; });
  masks.begin(1, form_of("[ab]c"), {});
  masks.begin(2, form_of("xy"), {});  // by another worker
  EXPECT_EQ(allowed(masks, 2), "x");
  EXPECT_TRUE(masks.ready(2));
  EXPECT_FALSE(masks.ready(1));
  EXPECT_FALSE(masks.ready(1, std::chrono::steady_clock::now() + std::chrono::milliseconds(1)));
  masks.take(1, ids_of("b"));
  EXPECT_EQ(told, 0);
  gate.set_value();
  EXPECT_TRUE(masks.ready(1, std::chrono::steady_clock::now() + std::chrono::hours(1)));
  EXPECT_EQ(allowed(masks, 1), "c");
  masks.begin(1, form_of("q"), {});  // nobody has been told to wait
  EXPECT_EQ(allowed(masks, 1), "q");
  masks.on_ready(nullptr);
  EXPECT_EQ(told, 1);
}

// ---- through the runner

struct MaskedAnswer {
  std::string text;
  FinishReason finish = FinishReason::kNone;
};

std::vector<MaskedAnswer> run(Device& device, const std::vector<Request>& requests,
                              SchedulerOptions scheduler, int64_t kv_pages,
                              int64_t* preemptions = nullptr) {
  EngineRunnerOptions options{.kv_pages = kv_pages};
  options.executor.selection.reference = device.host_visible();
  EngineRunner runner(tiny_engine(), device, options);
  SteadyClock clock;
  Loop loop(runner, {scheduler, true}, clock);
  std::vector<std::shared_ptr<Outbox>> boxes;
  boxes.reserve(requests.size());
  for (const Request& request : requests) boxes.push_back(loop.submit(request));
  while (loop.step()) loop.scheduler().check_invariants();
  std::vector<MaskedAnswer> out;
  for (const auto& box : boxes) {
    std::vector<MaskedAnswer> choices(static_cast<size_t>(choice_count(box->request().sampling)));
    while (const TokenEvent* event = box->poll()) {
      MaskedAnswer& one = choices[static_cast<size_t>(event->choice)];
      one.text += text_of(event->token_span());
      if (event->finish != FinishReason::kNone) one.finish = event->finish;
    }
    out.insert(out.end(), choices.begin(), choices.end());
  }
  if (preemptions) *preemptions += loop.scheduler().stats().preemptions;
  return out;
}

struct Wanted {
  std::string regex;
  int choices = 1;
};
const Wanted kWanted[] = {{"([a-d]{3}-){9}[xy]"}, {""}, {"(yes|no)"}, {"[0-9]{5,40}Z", 3}};

void expect_answers_in_their_grammars(Device& device) {
  std::vector<Request> all;
  std::vector<std::string> regexes, alone;
  for (size_t i = 0; i < std::size(kWanted); ++i) {
    all.push_back(request_in(kWanted[i].regex, static_cast<int>(i)));
    all.back().sampling.n = kWanted[i].choices;
    regexes.insert(regexes.end(), static_cast<size_t>(kWanted[i].choices), kWanted[i].regex);
    for (MaskedAnswer& one : run(device, {all.back()}, {}, 24))
      alone.push_back(std::move(one.text));
  }
  EXPECT_NE(alone[3], alone[4]);
  const auto expect_alike = [&](const std::vector<MaskedAnswer>& got) {
    ASSERT_EQ(got.size(), alone.size());
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].text, alone[i]);
      if (regexes[i].empty()) continue;
      EXPECT_EQ(got[i].finish, FinishReason::kStop);
      EXPECT_TRUE(std::regex_match(got[i].text, std::regex(regexes[i] + "\\."))) << got[i].text;
    }
  };
  expect_alike(run(device, all, {}, 24));
  // Five pages are too few, but where masks are late one answer may end before others begin.
  SchedulerOptions tight;
  tight.max_chunk = 7;
  int64_t preemptions = 0;
  for (int i = 0; i < 50 && preemptions == 0; ++i) {
    expect_alike(run(device, all, tight, 5, &preemptions));
  }
  EXPECT_GT(preemptions, 0);
}

TEST(GrammarMasks, AnswersAreInTheirGrammars) {
  expect_answers_in_their_grammars(*make_cpu_device(1));
}

TEST(GrammarMasks, AndOnADeviceApartWhoseStepsOverlap) {
  FakeDevice device;
  expect_answers_in_their_grammars(device);
  EXPECT_EQ(device.violations, std::vector<std::string>{});
}

TEST(GrammarMasks, AFaultEndsItsRequestAlone) {
  // No token of the vocabulary goes on behind the b.
  const std::vector<MaskedAnswer> got =
      run(*make_cpu_device(1), {request_in("aab\u00e9", 1), request_in("[ab]{20}", 2)}, {}, 24);
  EXPECT_EQ(got[0].text, "aab");
  EXPECT_EQ(got[0].finish, FinishReason::kFormFault);
  EXPECT_EQ(got[1].finish, FinishReason::kStop);
  EXPECT_EQ(got[1].text.size(), 21u);
}

TEST(GrammarMasks, WhatDoesNotGoWithAGrammarIsRefused) {
  const auto refused = [](const char* name, auto change) {
    Request request = request_in("", 1);
    request.sampling.grammar = form_of("a+");
    change(request.sampling);
    try {
      validate(request.sampling, kTinyVocab);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(name));
    }
  };
  refused("beam search", [](SamplingParams& p) { p.beam_width = 2; });
  refused("ignore_eos", [](SamplingParams& p) { p.ignore_eos = true; });
  refused("min_tokens", [](SamplingParams& p) { p.min_tokens = 1; });
  refused("allowed_token_ids", [](SamplingParams& p) { p.allowed_token_ids = {1}; });
  refused("logit_bias", [](SamplingParams& p) { p.logit_bias = {{1, -INFINITY}}; });
  refused("bad_words", [](SamplingParams& p) { p.bad_words = {{1, 2}}; });
}

}  // namespace
}  // namespace ingot
