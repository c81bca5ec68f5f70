// The engine-backed runner on small attention models with random weights: sequences together,
// forked, preempted, from cached prefixes and with guesses give the tokens of each alone; several
// state groups give the tokens of one.
#include "runtime/engine_runner.h"

#include <map>

#include "base/error.h"
#include "base/knobs.h"
#include "runtime/loop.h"
#include "tensor/device.h"
#include "tests/contracts/fake_device.h"
#include "tests/loaders/test_files.h"
#include "tests/runtime/tiny_engine.h"

namespace ingot {
namespace {

Request numbered_request(int i) {
  Request r;
  for (int t = 0; t < 30 + 9 * i; ++t) {
    r.prompt.push_back(static_cast<TokenId>((t < 40 ? t * 3 : t * 5 + i) % kTinyVocab));
  }
  r.sampling.max_tokens = 30;
  r.sampling.temperature = i == 0 || i == 2 ? 0 : 0.9;
  r.sampling.seed = static_cast<uint64_t>(i);
  if (i == 3) r.sampling.repetition_penalty = 1.2;
  if (i == 4) r.sampling.n = 2;
  if (i == 5) r.sampling.logprobs = 2;
  return r;
}

using Streams = std::map<int, std::vector<TokenId>>;  // by 10 * request + choice

struct Outcome {
  Streams streams;
  SchedulerStats stats;
  KvStats kv;
  std::vector<KvGroup> groups;
};

// Repeats the token that followed the last occurrence of the current one.
class Repeats final : public DraftSource {
 public:
  int draft(const Sequence& s, int most, TokenId* out) override {
    for (size_t i = s.tokens.size() - 1; i-- > 0;) {
      if (s.tokens[i] != s.tokens.back()) continue;
      int count = 0;
      while (count < std::min(most, 3) && i + 1 < s.tokens.size()) out[count++] = s.tokens[++i];
      return count;
    }
    return 0;
  }
};

Outcome run_on(Device& device, const std::vector<int>& which, EngineRunnerOptions options,
               SchedulerOptions scheduler,
               const std::shared_ptr<const Engine>& engine = tiny_engine()) {
  options.executor.selection.reference = device.host_visible();
  EngineRunner runner(engine, device, options);
  SteadyClock clock;
  Loop loop(runner, {scheduler, true}, clock);
  std::vector<std::shared_ptr<Outbox>> boxes;
  for (int i : which) boxes.push_back(loop.submit(numbered_request(i)));
  while (loop.step()) loop.scheduler().check_invariants();
  Outcome out;
  for (size_t b = 0; b < boxes.size(); ++b) {
    while (const TokenEvent* event = boxes[b]->poll()) {
      auto& stream = out.streams[which[b] * 10 + event->choice];
      for (TokenId t : event->token_span()) stream.push_back(t);
      if (event->finish != FinishReason::kNone) {
        EXPECT_EQ(event->finish, FinishReason::kLength);
      }
      if (which[b] == 5) {
        EXPECT_EQ(event->logprobs.size(), event->count);
      }
    }
  }
  out.stats = loop.scheduler().stats();
  out.kv = loop.scheduler().kv().stats();
  out.groups = loop.scheduler().kv().groups();
  return out;
}

Outcome run(const std::vector<int>& which, EngineRunnerOptions options, SchedulerOptions scheduler,
            const std::shared_ptr<const Engine>& engine = tiny_engine()) {
  const auto device = make_cpu_device(1);
  return run_on(*device, which, std::move(options), scheduler, engine);
}

const std::vector<int> kAll = {0, 1, 2, 3, 4, 5};

Streams each_alone() {
  Streams out;
  for (int i : kAll) {
    SchedulerOptions plain;
    plain.prefix_cache = false;
    for (auto& [key, stream] : run({i}, {.kv_pages = 24}, plain).streams) {
      EXPECT_EQ(stream.size(), 30u);
      out[key] = stream;
    }
  }
  EXPECT_EQ(out.size(), 7u);
  EXPECT_NE(out[40], out[41]);
  return out;
}

TEST(EngineRunner, TogetherEqualsAlone) {
  const Outcome got = run(kAll, {.kv_pages = 24}, {});
  EXPECT_EQ(got.streams, each_alone());
  EXPECT_GT(got.kv.copies, 0);
  EXPECT_GT(got.stats.prefix_hits, 0);
}

TEST(EngineRunner, ChunksAndPreemptionsChangeNothing) {
  SchedulerOptions options;
  options.max_chunk = 7;
  const Outcome got = run(kAll, {.kv_pages = 8}, options);
  EXPECT_EQ(got.streams, each_alone());
  EXPECT_GT(got.stats.preemptions, 0);
}

TEST(EngineRunner, GuessesChangeNothing) {
  Repeats repeats;
  SchedulerOptions options;
  options.drafts = &repeats;
  const Outcome got = run(kAll, {.kv_pages = 24, .max_draft = 7}, options);
  EXPECT_EQ(got.streams, each_alone());
  EXPECT_GT(got.stats.drafted, 0);
  EXPECT_LT(got.stats.accepted, got.stats.drafted);
}

struct Scored {
  std::vector<TokenId> tokens;
  std::vector<TokenLogprobs> answer, prompt;
};

Scored score(Loop& loop, const Request& request) {
  const auto box = loop.submit(request);
  while (loop.step()) loop.scheduler().check_invariants();
  Scored out;
  while (const TokenEvent* event = box->poll()) {
    for (TokenId t : event->token_span()) out.tokens.push_back(t);
    out.answer.insert(out.answer.end(), event->logprobs.begin(), event->logprobs.end());
    out.prompt.insert(out.prompt.end(), event->prompt_logprobs.begin(),
                      event->prompt_logprobs.end());
  }
  return out;
}

void expect_near(std::span<const TokenLogprobs> got, std::span<const TokenLogprobs> want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i].chosen, want[i].chosen, 1e-4) << i;
    ASSERT_EQ(got[i].top.size(), want[i].top.size()) << i;
    for (size_t k = 0; k < got[i].top.size(); ++k) {
      EXPECT_NEAR(got[i].top[k].second, want[i].top[k].second, 1e-4) << i;
    }
  }
}

// What an answer's tokens were given when they were drawn, they are given as a prompt: whole, in
// chunks, and where its pages are cached.
void expect_scores_of_an_answer(Device& device) {
  EngineRunnerOptions options{.kv_pages = 24};
  options.executor.selection.reference = device.host_visible();
  EngineRunner runner(tiny_engine(), device, options);
  EXPECT_GT(runner.limits().max_prompt_logits, 0);
  SteadyClock clock;
  Request request = numbered_request(1);
  request.sampling.logprobs = 2;
  for (const int64_t chunk : {0, 7, 1}) {
    Loop loop(runner, {{.max_chunk = chunk}, true}, clock);
    const Scored drawn = score(loop, request);
    ASSERT_EQ(drawn.answer.size(), 30u);
    EXPECT_TRUE(drawn.prompt.empty());
    Request again = request;
    again.prompt.insert(again.prompt.end(), drawn.tokens.begin(), drawn.tokens.end());
    again.sampling.prompt_logprobs = 2;
    for (const int64_t tokens : {0, 3}) {
      again.sampling.max_tokens = tokens;
      const Scored got = score(loop, again);
      EXPECT_EQ(got.tokens.size(), static_cast<size_t>(tokens));
      ASSERT_EQ(got.prompt.size(), again.prompt.size() - 1);
      expect_near(std::span(got.prompt).last(30), drawn.answer);
    }
  }
}

TEST(EngineRunner, PromptLogprobsAreThoseOfTheAnswer) {
  expect_scores_of_an_answer(*make_cpu_device(1));
  FakeDevice apart;
  expect_scores_of_an_answer(apart);
}

// Two layers, the second of which sees `window` positions; with one state group, with two of page
// numbers of their own, and with two that share a table.
std::shared_ptr<const Engine> one_group(int64_t window) {
  TinyLayer narrow;
  narrow.window = window;
  return tiny_engine({{}, narrow});
}

std::vector<TinyLayer> two_layers(int64_t window) {
  TinyLayer full, recent;
  full.group = "full";
  recent.group = "recent";
  recent.kind = "windowed";
  recent.window = recent.group_window = window;
  return {full, recent};
}

std::shared_ptr<const Engine> two_tables(int64_t window) {
  std::vector<TinyLayer> layers = two_layers(window);
  for (TinyLayer& layer : layers) {
    layer.table += "." + layer.group;
    layer.pages += "." + layer.group;
  }
  return tiny_engine(layers);
}

TEST(EngineRunner, TwoGroupsGiveTheTokensOfOne) {
  const Outcome one = run(kAll, {.kv_pages = 24}, {}, one_group(40));
  EXPECT_NE(one.streams, each_alone()) << "the second layer must matter";
  const Outcome two = run(kAll, {.kv_pages = 24}, {}, two_tables(40));
  EXPECT_EQ(two.streams, one.streams);
  EXPECT_GT(two.kv.copies, 0);  // forks copy pages of both groups
  ASSERT_EQ(two.groups.size(), 2u);
  EXPECT_EQ(two.groups[0].name, "full");
  EXPECT_EQ(two.groups[0].kind, KvKind::kPaged);
  EXPECT_EQ(two.groups[0].num_pages, 24);
  EXPECT_EQ(two.groups[1].name, "recent");
  EXPECT_EQ(two.groups[1].kind, KvKind::kWindowed);
  EXPECT_EQ(two.groups[1].window, 40);
  // Four rows of two pages and two more, and the 64 tokens of a step.
  EXPECT_EQ(two.groups[1].num_pages, 4 * (2 + 2) + 2);
}

TEST(EngineRunner, TwoGroupsSurviveChunksAndPreemptions) {
  SchedulerOptions options;
  options.max_chunk = 7;
  const Outcome one = run(kAll, {.kv_pages = 24}, {}, one_group(40));
  const Outcome two = run(kAll, {.kv_pages = 8}, options, two_tables(40));
  EXPECT_EQ(two.streams, one.streams);
  EXPECT_GT(two.stats.preemptions, 0);
}

// A sequence longer than the pool of its window: pages that left the window are used again.
TEST(EngineRunner, PagesThatLeftTheWindowAreReused) {
  EngineRunnerOptions options;
  options.max_batch_rows = 1;
  options.max_batch_tokens = 32;
  options.kv_pages = 5;
  const std::vector<int> longest = {9};  // 111 tokens and 30 more: five blocks
  const Outcome one = run(longest, options, {}, one_group(20));
  EXPECT_EQ(one.streams.at(90).size(), 30u);
  const Outcome two = run(longest, options, {}, two_tables(20));
  EXPECT_EQ(two.streams, one.streams);
  EXPECT_EQ(two.groups[1].num_pages, 4);
}

TEST(EngineRunner, GroupsOfOneTableShareItsPages) {
  const Outcome one = run(kAll, {.kv_pages = 24}, {}, one_group(40));
  const Outcome two = run(kAll, {.kv_pages = 24}, {}, tiny_engine(two_layers(40)));
  EXPECT_EQ(two.streams, one.streams);
  ASSERT_EQ(two.groups.size(), 1u);
  EXPECT_EQ(two.groups[0].name, "full+recent");
  EXPECT_EQ(two.groups[0].kind, KvKind::kPaged);  // the full group keeps every page
}

TEST(EngineRunner, RefusesGroupsThatItCannotRun) {
  const auto device = make_cpu_device(1);
  const auto refuse = [&](const std::vector<TinyLayer>& layers, std::vector<std::string> parts) {
    expect_error([&] { EngineRunner(tiny_engine(layers), *device, {}); }, ErrorCode::kUnsupported,
                 parts);
  };
  for (const char* kind : {"fixed", "cross"}) {
    std::vector<TinyLayer> layers = two_layers(40);
    layers[1].kind = kind;
    refuse(layers, {"state group 'recent'", kind});
  }
  // Its pages would be gone when they are read.
  std::vector<TinyLayer> layers = two_layers(40);
  layers[1].window = 41;
  layers[1].table += ".recent";
  refuse(layers, {"'recent' keeps 40 positions", "41"});
  // The same attention is fine where the table keeps everything.
  layers[1].table = "block_tables";
  EXPECT_NO_THROW(EngineRunner(tiny_engine(layers), *device, {}));
  // The scheduler counts in pages of 32.
  auto engine = std::make_shared<Engine>(*tiny_engine());
  engine->plan.groups[0].page_tokens = 16;
  for (int id : engine->plan.states) {
    engine->plan.values[static_cast<size_t>(id)].type.shape[2] = Dim(16);
  }
  expect_error([&] { EngineRunner(engine, *device, {}); }, ErrorCode::kUnsupported,
               {"state group 'kv'", "pages of 32 tokens, found 16"});
}

// Submitted before the step ahead was read back, padded and replayed: with penalties, which read
// tokens that are still on the device, forks, preemption and guesses.
TEST(EngineRunner, OverlapOnADeviceApartChangesNothing) {
  const Streams alone = each_alone();
  FakeDevice device;
  EXPECT_EQ(run_on(device, kAll, {.kv_pages = 24}, {}).streams, alone);
  EXPECT_GT(device.captures, 0);
  EXPECT_GT(device.replays, 20);
  const std::vector<int> without_history = {0, 1, 2, 4, 5};  // nothing waits for the host
  Streams expected = alone;
  expected.erase(30);
  EXPECT_EQ(run_on(device, without_history, {.kv_pages = 24}, {}).streams, expected);
  SchedulerOptions chunked;
  chunked.max_chunk = 7;
  const Outcome tight = run_on(device, kAll, {.kv_pages = 8}, chunked);
  EXPECT_EQ(tight.streams, alone);
  EXPECT_GT(tight.stats.preemptions, 0);
  Repeats repeats;
  SchedulerOptions guessing;
  guessing.drafts = &repeats;
  EXPECT_EQ(run_on(device, kAll, {.kv_pages = 24, .max_draft = 7}, guessing).streams, alone);
  EXPECT_EQ(device.violations, std::vector<std::string>{});

  // The plain order is the same steps one at a time.
  const int replays = device.replays;
  set_knob("graphs", "0");
  EXPECT_EQ(run_on(device, kAll, {.kv_pages = 24}, {}).streams, alone);
  set_knob("graphs", "1");
  EXPECT_EQ(device.replays, replays);
}

TEST(EngineRunner, RefusesAPlanThatIsNotATextModels) {
  auto engine = std::make_shared<Engine>(*tiny_engine());
  for (PlanValue& value : engine->plan.values) {
    if (value.name == "logits") value.name = "scores";
  }
  const auto device = make_cpu_device(1);
  EXPECT_THROW(EngineRunner(engine, *device, {}), Error);
}

}  // namespace
}  // namespace ingot
