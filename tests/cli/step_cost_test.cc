#include "cli/contract/step_cost.h"

#include <gtest/gtest.h>

#include "cli/contract/bench_session.h"
#include "tests/runtime/tiny_engine.h"

namespace ingot {
namespace {

OpCost cost_of(const std::string& op) {
  const auto engine = tiny_engine();
  const SymbolValues symbols = {
      {"tokens", 4}, {"batch", 2}, {"logit_rows", 2}, {"max_blocks", 8}, {"kv_pages", 8}};
  for (const PlanStep& step : engine->plan.steps) {
    if (step.op == op) return step_cost(engine->plan, step, symbols, {10, 20});
  }
  ADD_FAILURE() << "no step " << op;
  return {};
}

TEST(StepCost, CountsOperandsOnceAndTablesByTheRowsPicked) {
  constexpr double kMatrix = 4 * kTinyDim * 4;  // tokens x columns, float32
  EXPECT_EQ(cost_of("embedding").bytes, 2 * kMatrix + 4 * 4) << "rows read and written, and ids";
  EXPECT_EQ(cost_of("add").bytes, 3 * kMatrix);
  EXPECT_EQ(cost_of("add").flops, 0);
  const OpCost head = cost_of("linear");
  EXPECT_EQ(head.bytes, 2 * kTinyDim * 4 + kTinyVocab * kTinyDim * 4 + 2 * kTinyVocab * 4);
  EXPECT_EQ(head.flops, 2.0 * 2 * kTinyVocab * kTinyDim);
}

TEST(StepCost, CachesCountByThePositionsTouched) {
  constexpr double kMatrix = 4 * kTinyDim * 4;
  constexpr double kPosition = kTinyDim * 4;
  constexpr double kTable = 2 * 8 * 4;
  EXPECT_EQ(cost_of("kv_append").bytes, 2 * kMatrix + 2 * 4 * kPosition + 2 * 4 * 4 + kTable);
  const OpCost attention = cost_of("paged_attention");
  EXPECT_EQ(attention.bytes, 2 * kMatrix + 2 * 10 * kPosition + 2 * 4 * 4 + 3 * 4 + 2 * 4 + kTable);
  EXPECT_EQ(attention.flops, 4.0 * 20 * kTinyDim);
}

TEST(StepCost, OfExpertsCountsThoseThatTokensMayUse) {
  Plan plan;
  const auto value = [&](DType type, SymShape shape) {
    plan.values.push_back({.type = {type, std::move(shape)}});
    return static_cast<int>(plan.values.size()) - 1;
  };
  const Dim tokens = Dim::symbol("tokens");
  PlanStep step;
  step.op = "moe_ffn";
  step.inputs = {value(DType::kFloat32, {tokens, 16}), value(DType::kInt32, {tokens, 2}),
                 value(DType::kFloat32, {tokens, 2}),  value(DType::kBFloat16, {8, 24, 16}),
                 value(DType::kBFloat16, {8, 16, 24}), value(DType::kBFloat16, {8, 24, 16})};
  step.outputs = {value(DType::kFloat32, {tokens, 16})};
  constexpr double kExpert = 3 * 24 * 16 * 2;
  for (const int64_t count : {1, 3, 40}) {
    const OpCost cost = step_cost(plan, step, {{"tokens", count}}, {});
    const double rows = static_cast<double>(count) * (2 * 16 * 4 + 2 * 4 + 2 * 4);
    EXPECT_EQ(cost.bytes, rows + kExpert * static_cast<double>(std::min<int64_t>(8, 2 * count)));
    EXPECT_EQ(cost.flops, 2.0 * static_cast<double>(count) * 2 * 3 * 24 * 16);
  }
}

TEST(Spread, IsTheMeanAndRanks) {
  std::vector<double> values;
  for (int i = 100; i >= 1; --i) values.push_back(i);
  const Json spread = spread_json(values);
  EXPECT_EQ(spread["mean"], 50.5);
  EXPECT_EQ(spread["p50"], 50);
  EXPECT_EQ(spread["p90"], 90);
  EXPECT_EQ(spread["p99"], 99);
  EXPECT_EQ(spread_json({7})["p99"], 7);
  EXPECT_TRUE(spread_json({})["mean"].is_null());
}

}  // namespace
}  // namespace ingot
