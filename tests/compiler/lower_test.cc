#include <gtest/gtest.h>

#include "base/json.h"
#include "compiler/compile.h"
#include "engine/memory.h"
#include "graph/text.h"

namespace ingot {
namespace {

// A weight with bytes, since lowering refuses those without.
void fill_weights(Graph& graph) {
  for (int id = 0; id < graph.value_count(); ++id) {
    Value& value = graph.at(id);
    if (value.kind != Value::Kind::kWeight || !value.weight.segments.empty()) continue;
    auto data = std::make_shared<TensorData>();
    data->name = value.name;
    data->type = value.type.element;
    data->shape = evaluate(value.type.shape, {});
    auto bytes = std::make_shared<std::vector<std::byte>>(
        static_cast<size_t>(data->type.bytes(element_count(data->shape))));
    data->bytes = *bytes;
    data->owner = bytes;
    value.weight.segments.push_back(std::move(data));
  }
}

Plan lowered(const char* text) {
  auto graph = parse_graph(text);
  fill_weights(*graph);
  return lower(*graph);
}

TEST(LowerTest, ColumnViewsWhereEveryReaderTakesStrides) {
  const Plan plan = lowered(
      "graph main\n"
      "  input %x : float32[tokens, 4]\n"
      "  weight %w : float32[8, 4]\n"
      "  %h = linear(%x, %w) : float32[tokens, 8]\n"
      "  %a, %b = split_columns(%h) {\"widths\":[4,4]} : float32[tokens, 4], float32[tokens, 4]\n"
      "  %y = act_mul(%a, %b) : float32[tokens, 4]\n"
      "  return %y\n");
  ASSERT_EQ(plan.steps.size(), 3u);
  EXPECT_EQ(plan.steps[1].kind, StepKind::kView);
  const PlanValue& b = plan.values[static_cast<size_t>(plan.find("b"))];
  EXPECT_EQ(b.storage, plan.find("h"));
  EXPECT_EQ(b.column_offset, 4);
  EXPECT_EQ(plan.root(plan.find("b")), plan.find("h"));
}

TEST(LowerTest, CopiesForPackedReadersOutputsAndInputs) {
  const Plan packed = lowered(
      "graph main\n"
      "  input %x : float32[tokens, 4]\n"
      "  input %rows : int32[n]\n"
      "  weight %w : float32[8, 4]\n"
      "  %h = linear(%x, %w) : float32[tokens, 8]\n"
      "  %a, %b = split_columns(%h) {\"widths\":[4,4]} : float32[tokens, 4], float32[tokens, 4]\n"
      "  %p = gather(%a, %rows) : float32[n, 4]\n"
      "  return %p\n");
  EXPECT_EQ(packed.steps[1].kind, StepKind::kKernel) << "gather reads packed memory";
  const Plan output = lowered(
      "graph main\n"
      "  input %x : float32[tokens, 4]\n"
      "  weight %w : float32[8, 4]\n"
      "  %h = linear(%x, %w) : float32[tokens, 8]\n"
      "  %a, %b = split_columns(%h) {\"widths\":[4,4]} : float32[tokens, 4], float32[tokens, 4]\n"
      "  return %a\n");
  EXPECT_EQ(output.steps[1].kind, StepKind::kKernel) << "outputs are packed";
  const Plan input = lowered(
      "graph main\n"
      "  input %x : float32[tokens, 8]\n"
      "  %a, %b = split_columns(%x) {\"widths\":[4,4]} : float32[tokens, 4], float32[tokens, 4]\n"
      "  %y = act_mul(%a, %b) : float32[tokens, 4]\n"
      "  return %y\n");
  EXPECT_EQ(input.steps[0].kind, StepKind::kKernel) << "inputs have memory of their own";
}

TEST(LowerTest, StatesAliasAndFormGroups) {
  const Plan plan = lowered(
      "graph main\n"
      "  meta \"architecture\" = \"test\"\n"
      "  limit pages = 3\n"
      "  input %k : float32[tokens, 8]\n"
      "  input %positions : int32[tokens]\n"
      "  input %rows : int32[tokens]\n"
      "  input %tables : int32[batch, blocks]\n"
      "  state %kc : state bfloat16[pages, 2, 32, 4] group kv paged\n"
      "  state %vc : state bfloat16[pages, 2, 32, 4] group kv paged\n"
      "  %k2, %v2 = kv_append(%k, %k, %kc, %vc, %positions, %rows, %tables) : "
      "state bfloat16[pages, 2, 32, 4], state bfloat16[pages, 2, 32, 4]\n"
      "  return %k2 %v2\n");
  EXPECT_EQ(plan.root(plan.find("k2")), plan.find("kc"));
  EXPECT_EQ(plan.root(plan.find("v2")), plan.find("vc"));
  ASSERT_EQ(plan.groups.size(), 1u);
  EXPECT_EQ(plan.groups[0].name, "kv");
  EXPECT_EQ(plan.groups[0].kind, "paged");
  EXPECT_EQ(plan.groups[0].page_tokens, 32);
  EXPECT_EQ(plan.groups[0].bytes_per_token, 2 * 2 * 4 * 2);
  EXPECT_EQ(plan.metadata.at("architecture"), "test");
  EXPECT_EQ(plan.limits.at("pages"), 3);
  EXPECT_EQ(plan_text(plan_from_json(plan_to_json(plan))), plan_text(plan));
}

TEST(LowerTest, SharedPiecesAreStoredOnce) {
  auto graph = parse_graph(
      "graph main\n"
      "  input %x : float32[tokens, 4]\n"
      "  input %ids : int32[tokens]\n"
      "  weight %table : float32[8, 4]\n"
      "  %e = embedding(%ids, %table) : float32[tokens, 4]\n"
      "  %l = linear(%e, %table) : float32[tokens, 8]\n"
      "  return %l\n");
  fill_weights(*graph);
  EXPECT_EQ(lower(*graph).tensors.size(), 1u);
}

TEST(LowerTest, TensorsOfOneNameAreToldApart) {
  auto graph = parse_graph(
      "graph main\n"
      "  input %x : float32[tokens, 4]\n"
      "  constant %a : float32[4] = [1, 2, 3, 4]\n"
      "  constant %b : float32[4] = [5, 6, 7, 8]\n"
      "  %y = add(%x, %a) : float32[tokens, 4]\n"
      "  %z = add(%y, %b) : float32[tokens, 4]\n"
      "  return %z\n");
  for (const char* name : {"a", "b"}) {
    auto& segment = graph->at(graph->find(name)).weight.segments[0];
    auto renamed = std::make_shared<TensorData>(*segment);
    renamed->name = "same";
    segment = renamed;
  }
  const auto engine = compile(*graph, {});
  ASSERT_EQ(engine->plan.tensors.size(), 2u);
  EXPECT_NE(engine->plan.tensors[0].name, engine->plan.tensors[1].name);
  EXPECT_EQ(reinterpret_cast<const float*>(engine->tensors[0].data())[0], 1.f);
  EXPECT_EQ(reinterpret_cast<const float*>(engine->tensors[1].data())[0], 5.f);
}

TEST(LowerTest, BucketsCoverTheLimits) {
  const auto buckets = default_buckets({{"tokens", 100}, {"batch", 8}, {"logit_rows", 8}});
  ASSERT_EQ(buckets.size(), 4u);
  EXPECT_EQ(buckets[0].at("tokens"), 1);
  EXPECT_EQ(buckets[0].at("batch"), 1);
  EXPECT_EQ(buckets[1].at("tokens"), 8);
  EXPECT_EQ(buckets[3].at("tokens"), 100);
  EXPECT_EQ(buckets[3].at("batch"), 8);
  EXPECT_EQ(default_buckets({{"n", 5}}).size(), 1u);
}

// Whatever its name is: a window's pages are a pool beside the other layers'. A runner may add
// pages to each, and the tuned buckets must still cover its steps.
TEST(LowerTest, APoolsSizeIsNoSteps) {
  const Plan plan = lowered(
      "graph main\n"
      "  limit tokens = 8\n"
      "  limit blocks = 4\n"
      "  limit window_pages = 3\n"
      "  input %k : float32[tokens, 8]\n"
      "  input %positions : int32[tokens]\n"
      "  input %rows : int32[tokens]\n"
      "  input %tables : int32[batch, blocks]\n"
      "  state %kc : state bfloat16[window_pages, 2, 32, 4] group window paged\n"
      "  state %vc : state bfloat16[window_pages, 2, 32, 4] group window paged\n"
      "  %k2, %v2 = kv_append(%k, %k, %kc, %vc, %positions, %rows, %tables) : "
      "state bfloat16[window_pages, 2, 32, 4], state bfloat16[window_pages, 2, 32, 4]\n"
      "  return %k2 %v2\n");
  const auto buckets = plan_buckets(plan);
  ASSERT_EQ(buckets.size(), 2u);
  EXPECT_EQ(buckets[0], (Bucket{{"tokens", 1}, {"blocks", 4}}));
  EXPECT_EQ(buckets[1], (Bucket{{"tokens", 8}, {"blocks", 4}}));
}

TEST(LowerTest, BucketsAreRowsTimesLongestContext) {
  const auto buckets = default_buckets({{"tokens", 8}, {"batch", 8}, {"max_blocks", 300}});
  std::vector<std::pair<int64_t, int64_t>> sizes;
  sizes.reserve(buckets.size());
  for (const Bucket& bucket : buckets) {
    sizes.emplace_back(bucket.at("tokens"), bucket.at("max_blocks"));
  }
  EXPECT_EQ(sizes, (std::vector<std::pair<int64_t, int64_t>>{
                       {1, 16}, {1, 64}, {1, 300}, {8, 16}, {8, 64}, {8, 300}}));
  std::vector<int64_t> rows;  // a server's batches in steps of two
  for (const Bucket& bucket : default_buckets({{"tokens", 4096}, {"batch", 256}})) {
    rows.push_back(bucket.at("tokens"));
  }
  EXPECT_EQ(rows, (std::vector<int64_t>{1, 8, 64, 128, 256, 2048, 4096}));
  EXPECT_EQ(buckets.back().at("batch"), 8);
  EXPECT_EQ(default_buckets({{"tokens", 1}, {"max_blocks", 16}}).size(), 1u);
}

// 512 positions hold no 1024 tokens of one sequence; two sequences have as many.
TEST(LowerTest, BucketsHaveRoomForTheirTokens) {
  const auto longest = [](int64_t rows) {
    std::vector<std::pair<int64_t, int64_t>> sizes;
    for (const Bucket& bucket :
         default_buckets({{"tokens", 1024}, {"batch", rows}, {"max_blocks", 300}})) {
      if (bucket.at("tokens") < 512) continue;
      sizes.emplace_back(bucket.at("tokens"), bucket.at("max_blocks"));
    }
    return sizes;
  };
  using Sizes = std::vector<std::pair<int64_t, int64_t>>;
  EXPECT_EQ(longest(1), (Sizes{{512, 16}, {512, 64}, {512, 300}, {1024, 64}, {1024, 300}}));
  EXPECT_EQ(longest(2),
            (Sizes{{512, 16}, {512, 64}, {512, 300}, {1024, 16}, {1024, 64}, {1024, 300}}));
  // The last bucket covers whatever comes.
  EXPECT_EQ(default_buckets({{"tokens", 1024}, {"batch", 1}, {"max_blocks", 16}}).back(),
            (Bucket{{"tokens", 1024}, {"batch", 1}, {"max_blocks", 16}}));
}

// Decoding steps run none of the encoder; one bucket of each number of tokens runs all of it.
TEST(DefaultBucketsTest, AnEncoderRunsOrDoesNot) {
  const auto buckets =
      default_buckets({{"tokens", 8}, {"max_blocks", 64}, {"frames", 1500}, {"cross_blocks", 47}});
  std::vector<std::array<int64_t, 3>> sizes;
  for (const Bucket& bucket : buckets) {
    sizes.push_back({bucket.at("tokens"), bucket.at("max_blocks"), bucket.at("frames")});
    EXPECT_EQ(bucket.at("cross_blocks"), 47);
  }
  const std::vector<std::array<int64_t, 3>> expected = {{1, 16, 0}, {1, 64, 0}, {1, 64, 1500},
                                                        {8, 16, 0}, {8, 64, 0}, {8, 64, 1500}};
  EXPECT_EQ(sizes, expected);
}

}  // namespace
}  // namespace ingot
