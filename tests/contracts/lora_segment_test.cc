// Probe: a low-rank addition chosen at load, to one piece of a merged weight. Canonical bytes and
// the engine stay as they are; query and value do not change by a bit.
#include <gtest/gtest.h>

#include "base/random.h"
#include "compiler/compile.h"
#include "engine/executor.h"

namespace ingot {
namespace {

constexpr int64_t kK = 32, kTokens = 4, kRank = 3;
constexpr int64_t kRows[] = {24, 8, 8};  // query, key, value
constexpr const char* kNames[] = {"q", "k", "v"};
constexpr float kScale = 0.5f;

std::vector<float> values(int64_t count, uint64_t seed) {
  std::vector<float> out;
  for (uint64_t i = 0; i < static_cast<uint64_t>(count); ++i) {
    out.push_back(static_cast<float>(2 * random_unit(seed, i) - 1));
  }
  return out;
}

TensorView view(std::vector<float>& data, Shape shape) {
  return {DType::kFloat32, std::move(shape), reinterpret_cast<std::byte*>(data.data())};
}

using Outputs = std::vector<std::vector<float>>;

Outputs run(std::shared_ptr<const Engine> engine, std::vector<Adapter> adapters) {
  const auto device = make_cpu_device(2);
  Executor executor(std::move(engine), *device, {.adapters = std::move(adapters)});
  std::vector<float> x = values(kTokens * kK, 9);
  executor.set_input("x", view(x, {kTokens, kK}));
  executor.run();
  Outputs out;
  for (size_t i = 0; i < 3; ++i) {
    std::vector<float>& rows = out.emplace_back(static_cast<size_t>(kTokens * kRows[i]));
    for (int64_t t = 0; t < kTokens; ++t) {
      load_row(executor.output(kNames[i]), t, 0, kRows[i], rows.data() + t * kRows[i]);
    }
  }
  return out;
}

std::shared_ptr<const Engine> build(std::vector<std::vector<float>>& weights) {
  Graph graph;
  const int x = graph.add_input("x", {DType::kFloat32, {Dim::symbol("tokens"), kK}});
  for (size_t i = 0; i < 3; ++i) {
    weights.push_back(values(kRows[i] * kK, i));
    auto tensor = std::make_shared<TensorData>();
    tensor->name = std::string(kNames[i]) + ".weight";
    tensor->type = DType::kFloat32;
    tensor->shape = {kRows[i], kK};
    tensor->bytes = std::as_bytes(std::span(weights.back()));
    const int y = graph.emit("linear", {}, {x, graph.add_weight(tensor->name, {{tensor}, 0})});
    graph.add_output(y);
    graph.rename(y, kNames[i]);
  }
  graph.limits()["tokens"] = kTokens;
  return compile(graph, {.passes = {.verify = true}});
}

TEST(LoraSegment, ChangesItsPieceAlone) {
  std::vector<std::vector<float>> weights;
  const auto engine = build(weights);
  int linears = 0;
  for (const PlanStep& step : engine->plan.steps) linears += step.op == "linear";
  ASSERT_EQ(linears, 1);  // query, key and value are one weight in three pieces

  std::vector<float> a = values(kRank * kK, 20), b = values(kRows[1] * kRank, 21);
  const Adapter adapter = {"k.weight", view(a, {kRank, kK}), view(b, {kRows[1], kRank}), kScale};
  const std::string before = plan_text(engine->plan);
  const Outputs plain = run(engine, {});
  const Outputs adapted = run(engine, {adapter});
  EXPECT_EQ(plan_text(engine->plan), before);  // the engine is shared and immutable

  EXPECT_EQ(adapted[0], plain[0]);
  EXPECT_EQ(adapted[2], plain[2]);
  const std::vector<float> x = values(kTokens * kK, 9);
  for (int64_t t = 0; t < kTokens; ++t) {
    for (int64_t n = 0; n < kRows[1]; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < kK; ++k) {
        double w = weights[1][static_cast<size_t>(n * kK + k)];
        for (int64_t r = 0; r < kRank; ++r) {
          w += double{kScale} * b[static_cast<size_t>(n * kRank + r)] *
               a[static_cast<size_t>(r * kK + k)];
        }
        sum += w * x[static_cast<size_t>(t * kK + k)];
      }
      EXPECT_NEAR(adapted[1][static_cast<size_t>(t * kRows[1] + n)], sum, 1e-4);
    }
  }
  EXPECT_NE(adapted[1], plain[1]);
  EXPECT_EQ(run(engine, {}), plain);
}

TEST(LoraSegment, RefusesWhatDoesNotFit) {
  std::vector<std::vector<float>> weights;
  const auto engine = build(weights);
  std::vector<float> a = values(kRank * kK, 20), b = values(kRows[0] * kRank, 21);
  const TensorView a_view = view(a, {kRank, kK});
  EXPECT_THROW(run(engine, {{"k.weight", a_view, view(b, {kRows[0], kRank})}}), Error);
  EXPECT_THROW(run(engine, {{"nothing.weight", a_view, view(b, {kRows[1], kRank})}}), Error);
}

}  // namespace
}  // namespace ingot
