#include "runtime/grammar_masks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "base/error.h"
#include "base/json.h"
#include "runtime/engine_runner.h"
#include "runtime/loop.h"
#include "tests/contracts/fake_device.h"
#include "tests/runtime/tiny_engine.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace ingot {
namespace {

using State = GrammarMasks::State;

// Ids 0 to 94 are the printable characters of ASCII, 95 ends an answer; the model has one more.
constexpr TokenId kEnd = 95;
TokenId id_of(char c) { return c - ' '; }

std::vector<TokenId> ids_of(std::string_view text) {
  std::vector<TokenId> out;
  for (const char c : text) out.push_back(id_of(c));
  return out;
}

std::string text_of(std::span<const TokenId> ids) {
  std::string out;
  for (const TokenId id : ids) out += id == kEnd ? '.' : static_cast<char>(id + ' ');
  return out;
}

std::shared_ptr<const Grammar> grammar(const std::string& regex) {
  static const std::shared_ptr<const GrammarVocabulary> vocabulary = [] {
    Json vocab = Json::object();
    for (char c = ' '; c <= '~'; ++c) {
      std::string token;
      append_utf8(token, byte_to_alphabet(static_cast<uint8_t>(c)));
      vocab[token] = id_of(c);
    }
    const Json end = {{"id", kEnd}, {"content", "<end>"}, {"special", true}, {"normalized", false}};
    const Json json = {{"added_tokens", Json::array({end})},
                       {"normalizer", nullptr},
                       {"pre_tokenizer", nullptr},
                       {"post_processor", nullptr},
                       {"decoder", {{"type", "ByteLevel"}}},
                       {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}}}};
    return GrammarVocabulary::create(*Tokenizer::load(json.dump(), "test.json"), {kEnd});
  }();
  return Grammar::compile(vocabulary, {GrammarKind::kRegex, regex});
}

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
  masks.begin(0, grammar("[ab]+c"), {});
  masks.begin(2, grammar("xyz?"), ids_of("xy"));  // drawn before it was put off
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
  masks.begin(0, grammar("q"), {});  // another answer in the same slot
  EXPECT_EQ(allowed(masks, 0), "q");
}

TEST(GrammarMasks, ATokenThatTheGrammarDoesNotHaveIsAFaultOfItsSlot) {
  GrammarMasks masks(2, 4);
  masks.begin(0, grammar("a+"), {});
  masks.begin(1, grammar("a+"), {});
  masks.take(0, ids_of("ab"));
  masks.take(1, ids_of("aa"));
  EXPECT_EQ(masks.mask(0).state, State::kFault);
  EXPECT_EQ(allowed(masks, 1), "a.");
  masks.take(0, ids_of("a"));
  EXPECT_EQ(masks.mask(0).state, State::kFault);
  masks.begin(1, grammar("abc"), ids_of("ax"));
  EXPECT_EQ(masks.mask(1).state, State::kFault);
}

TEST(GrammarMasks, SlotsWithoutAGrammarTakeNothing) {
  GrammarMasks masks(1, 4);
  masks.begin(0, nullptr, ids_of("a"));
  masks.take(0, ids_of("b"));
  masks.begin(0, grammar("ab"), {});
  masks.take(0, ids_of("a"));
  masks.begin(0, nullptr, {});
  masks.take(0, ids_of("zz"));
  masks.begin(0, grammar("ab"), {});
  EXPECT_EQ(allowed(masks, 0), "a");
}

TEST(GrammarMasks, ManySlotsAtOnceAndAnEndWithWorkLeft) {
  constexpr int32_t kSlots = 64;
  GrammarMasks masks(kSlots, 4);
  const auto one = grammar("([ab]{3}-){20}c");
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

// ---- through the runner

struct MaskedAnswer {
  std::string text;
  FinishReason finish = FinishReason::kNone;
};

std::vector<MaskedAnswer> run(Device& device, const std::vector<Request>& requests,
                              SchedulerOptions scheduler, int64_t kv_pages) {
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
  if (kv_pages < 8) {
    EXPECT_GT(loop.scheduler().stats().preemptions, 0);
  }
  return out;
}

Request request_in(const std::string& regex, int seed) {
  Request out;
  for (int t = 0; t < 40; ++t) out.prompt.push_back((t * 7 + seed) % 95);
  out.sampling.max_tokens = 60;
  out.sampling.temperature = 1;
  out.sampling.seed = static_cast<uint64_t>(seed);
  out.sampling.eos_token_ids = {kEnd};
  if (!regex.empty()) out.sampling.grammar = grammar(regex);
  validate(out.sampling, kTinyVocab);
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
  SchedulerOptions tight;
  tight.max_chunk = 7;
  for (const auto& [options, pages] : {std::pair{SchedulerOptions{}, 24}, std::pair{tight, 5}}) {
    const std::vector<MaskedAnswer> got = run(device, all, options, pages);
    ASSERT_EQ(got.size(), alone.size());
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].text, alone[i]);
      if (regexes[i].empty()) continue;
      EXPECT_EQ(got[i].finish, FinishReason::kStop);
      EXPECT_TRUE(std::regex_match(got[i].text, std::regex(regexes[i] + "\\."))) << got[i].text;
    }
  }
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
    Request request = request_in("a+", 1);
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
