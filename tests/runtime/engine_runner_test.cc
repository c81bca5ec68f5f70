// The engine-backed runner on a one-layer attention model with random weights: sequences together,
// forked, preempted, from cached prefixes and with guesses give the tokens of each alone.
#include "runtime/engine_runner.h"

#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "base/random.h"
#include "runtime/loop.h"
#include "tensor/device.h"

namespace ingot {
namespace {

constexpr int64_t kVocab = 97;
constexpr int64_t kDim = 32;

class PlanWriter {
 public:
  int value(PlanValue::Kind kind, std::string name, ValueType type) {
    PlanValue v;
    v.kind = kind;
    v.name = std::move(name);
    v.type = std::move(type);
    plan.values.push_back(std::move(v));
    return static_cast<int>(plan.values.size()) - 1;
  }
  int input(const char* name, SymShape shape) {
    plan.inputs.push_back(value(PlanValue::Kind::kInput, name, {DType::kInt32, std::move(shape)}));
    return plan.inputs.back();
  }
  int weight(const char* name, Shape shape) {
    const int id = value(PlanValue::Kind::kWeight, name, {DType::kFloat32, sym_shape(shape)});
    plan.values.back().segments = {static_cast<int>(plan.tensors.size())};
    plan.tensors.push_back({name, DType::kFloat32, shape});
    return id;
  }
  int state(const char* name) {
    const SymShape shape = {Dim::symbol("kv_pages"), 1, 32, kDim};
    plan.states.push_back(value(PlanValue::Kind::kState, name, {DType::kFloat32, shape, true}));
    plan.values.back().group = "kv";
    return plan.states.back();
  }
  std::vector<int> step(const char* op, Attrs attrs, std::vector<int> inputs, size_t outputs = 1) {
    const OpDef& def = get_op(op);
    std::vector<const ValueType*> types;
    for (int id : inputs) types.push_back(&plan.values[static_cast<size_t>(id)].type);
    const InferArgs infer{op, types, attrs, [](size_t) { return nullptr; }, outputs};
    const std::vector<ValueType> inferred = def.infer(infer);
    PlanStep step{StepKind::kKernel, op, attrs, inputs, {}, {}};
    for (size_t i = 0; i < inferred.size(); ++i) {
      const int id = value(PlanValue::Kind::kActivation,
                           fmt::format("{}_{}", op, plan.values.size()), inferred[i]);
      for (const Effects::Alias& alias : def.effects.aliases) {
        if (alias.output == static_cast<int>(i)) {
          plan.values.back().storage = inputs[static_cast<size_t>(alias.input)];
        }
      }
      step.outputs.push_back(id);
    }
    plan.steps.push_back(step);
    return step.outputs;
  }
  Plan plan;
};

std::shared_ptr<const Engine> tiny_engine() {
  PlanWriter w;
  const Dim tokens = Dim::symbol("tokens"), batch = Dim::symbol("batch");
  const int ids = w.input("token_ids", {tokens});
  const int positions = w.input("positions", {tokens});
  const int rows = w.input("token_rows", {tokens});
  const int offsets = w.input("query_offsets", {batch + 1});
  const int lengths = w.input("context_lengths", {batch});
  const int tables = w.input("block_tables", {batch, Dim::symbol("max_blocks")});
  const int logit_rows = w.input("logit_rows", {Dim::symbol("logit_rows")});
  const int embed = w.weight("embed", {kVocab, kDim});
  const int head = w.weight("head", {kVocab, kDim});
  const int k = w.state("k"), v = w.state("v");
  const int x = w.step("embedding", {{"dtype", std::string("float32")}}, {ids, embed})[0];
  const auto kv = w.step("kv_append", {}, {x, x, k, v, positions, rows, tables}, 2);
  const Attrs attrs = {{"head_dim", kDim}, {"scale", 0.5}};
  const int y = w.step("paged_attention", attrs,
                       {x, kv[0], kv[1], positions, rows, offsets, lengths, tables})[0];
  const int z = w.step("add", {}, {x, y})[0];
  const int last = w.step("gather", {}, {z, logit_rows})[0];
  const int logits = w.step("linear", {{"dtype", std::string("float32")}}, {last, head})[0];
  w.plan.values[static_cast<size_t>(logits)].name = "logits";
  w.plan.outputs = {logits, kv[0], kv[1]};
  w.plan.name = "forward";
  w.plan.groups = {{"kv", "paged", 0, 1, 32, 2 * kDim * 4}};
  w.plan.limits = {
      {"tokens", 64}, {"batch", 4}, {"max_blocks", 8}, {"logit_rows", 4}, {"kv_pages", 8}};
  w.plan.buckets = {w.plan.limits};
  auto engine = std::make_shared<Engine>();
  for (uint64_t t = 0; t < 2; ++t) {
    auto data = std::make_shared<std::vector<float>>();
    for (int64_t i = 0; i < kVocab * kDim; ++i) {
      // The head is small, so that a draw has more than one likely outcome.
      const double scale = t == 0 ? 1.0 : 0.2;
      data->push_back(static_cast<float>(scale * random_normal(t + 1, static_cast<uint64_t>(i))));
    }
    engine->tensors.push_back(std::as_bytes(std::span(*data)));
    engine->owners.push_back(data);
  }
  engine->plan = std::move(w.plan);
  return engine;
}

Request make_request(int i) {
  Request r;
  for (int t = 0; t < 30 + 9 * i; ++t) {
    r.prompt.push_back(static_cast<TokenId>((t < 40 ? t * 3 : t * 5 + i) % kVocab));
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
