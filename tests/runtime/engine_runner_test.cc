// The engine-backed runner on a one-layer attention model with random weights: sequences together,
// forked, preempted, from cached prefixes and with guesses give the tokens of each alone.
#include "runtime/engine_runner.h"

#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "runtime/loop.h"
#include "tensor/device.h"
#include "tests/runtime/tiny_engine.h"

namespace ingot {
namespace {

Request make_request(int i) {
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

Outcome run(const std::vector<int>& which, EngineRunnerOptions options,
            SchedulerOptions scheduler) {
  const auto device = make_cpu_device(1);
  options.executor.selection.reference = true;
  EngineRunner runner(tiny_engine(), *device, options);
  SteadyClock clock;
  Loop loop(runner, {scheduler, true}, clock);
  std::vector<std::shared_ptr<Outbox>> boxes;
  for (int i : which) boxes.push_back(loop.submit(make_request(i)));
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
  return out;
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
