// The blocks that decoders are made of, as the operators that they emit.
#include <gmock/gmock.h>

#include <cmath>

#include "graph/text.h"
#include "graph/verify.h"
#include "models/contract/decoder.h"
#include "tensor/tensor_view.h"

namespace ingot {
namespace {

// A source of float32 zeros.
class DecoderBlocksTest : public testing::Test {
 protected:
  void add(const std::string& name, Shape shape) {
    const std::vector<std::byte> zeros(static_cast<size_t>(element_count(shape)) * 4);
    table_.add({name, DType::kFloat32, std::move(shape), table_.keep_aligned(zeros)});
  }
  DecoderBuilder& builder() {
    if (!builder_) builder_.emplace(table_, BuildOptions(), 64, graph_);
    return *builder_;
  }
  // Operators with their attributes, in order.
  std::vector<std::string> ops() const {
    std::vector<std::string> out;
    for (const Node& node : graph_.nodes()) {
      out.push_back(node.op + (node.attrs.empty() ? "" : attrs_text(node.attrs)));
    }
    return out;
  }
  std::vector<float> constant(int value) const {
    const TensorView& view = *graph_.constant(value);
    return {view.as<float>(), view.as<float>() + view.elements()};
  }

  WeightTable table_{"test"};
  Graph graph_{"test"};
  std::optional<DecoderBuilder> builder_;
};

TEST_F(DecoderBlocksTest, PlainLayersWithLearnedPositions) {
  add("wte.weight", {10, 8});
  add("wpe.weight", {64, 8});
  add("ln.weight", {8});
  add("ln.bias", {8});
  add("bare.weight", {8});
  add("fc.weight", {32, 8});
  add("fc.bias", {32});
  add("proj.weight", {8, 32});
  DecoderBuilder& b = builder();
  const int x = b.add_positions(b.embedding("wte.weight"), "wpe.weight");
  const int h = b.mlp(b.layer_norm(x, "ln", 0.5), "fc", "gelu_tanh", "proj");
  const int parallel = b.mlp(b.layer_norm(x, "bare", 0.5), "fc", "relu", "proj");
  const int y = b.residual(h, b.residual(parallel, b.layer_norm(x, "no numbers", 0.5)));
  EXPECT_EQ(type_text(graph_.type(y)), "float32[tokens, 8]");
  EXPECT_THAT(ops(), testing::ElementsAre(
                         R"(embedding{"dtype":"float32"})", R"(embedding{"dtype":"float32"})",
                         "add", R"(layer_norm{"epsilon":0.5})", "linear",
                         R"(gelu{"approximate":"tanh"})", "linear", R"(layer_norm{"epsilon":0.5})",
                         "linear", "relu", "linear", R"(layer_norm{"epsilon":0.5})", "add", "add"));
  std::vector<size_t> inputs;
  for (const Node& node : graph_.nodes()) {
    if (node.op == "layer_norm" || node.op == "linear") inputs.push_back(node.inputs.size());
  }
  EXPECT_EQ(inputs, (std::vector<size_t>{3, 3, 2, 2, 3, 2, 1}))
      << "weights and biases where there are some";
}

TEST_F(DecoderBlocksTest, NormsOfRowsAndOfHeads) {
  add("wte.weight", {10, 8});
  add("norm.weight", {8});
  add("head.weight", {4});
  DecoderBuilder& b = builder();
  const int x = b.embedding("wte.weight");
  b.rms_norm(x, "norm.weight", 0.5);
  b.rms_norm(x, "norm.weight", 0.5, 1);
  b.head_norm(x, "head.weight", 0.5, 4);
  b.head_norm(x, "head.weight", 0.5, 4, 1);
  const std::vector<std::string> found = ops();
  EXPECT_EQ(found[1], R"(rms_norm{"epsilon":0.5})");
  EXPECT_EQ(found[2], R"(rms_norm{"epsilon":0.5,"weight_offset":1.0})");
  EXPECT_EQ(found[3], R"(rms_norm{"epsilon":0.5,"group":4})");
  EXPECT_EQ(found[4], R"(rms_norm{"epsilon":0.5,"group":4,"weight_offset":1.0})");
}

// Published values: of 8 heads 1/2, 1/4, ...; of 12 those of 8, then odd powers of 2^(-1/2).
TEST_F(DecoderBlocksTest, SlopesOfLinearBiases) {
  DecoderBuilder& b = builder();
  EXPECT_EQ(constant(b.alibi_slopes(8)), (std::vector<float>{0.5f, 0.25f, 0.125f, 0.0625f, 0.03125f,
                                                             0.015625f, 0.0078125f, 0.00390625f}));
  const std::vector<float> twelve = constant(b.alibi_slopes(12));
  ASSERT_EQ(twelve.size(), 12u);
  EXPECT_EQ(twelve[7], 0.00390625f);
  EXPECT_FLOAT_EQ(twelve[8], static_cast<float>(std::sqrt(0.5)));
  EXPECT_FLOAT_EQ(twelve[11], static_cast<float>(std::pow(2, -3.5)));
  EXPECT_EQ(constant(b.alibi_slopes(2, 8, 0.5)), (std::vector<float>{0.03125f, 0.001953125f}));
  EXPECT_EQ(constant(b.alibi_slopes(1, 4)), (std::vector<float>{0.0625f}));
}

TEST_F(DecoderBlocksTest, ExpertsByNameWithAxesToShard) {
  add("wte.weight", {10, 8});
  add("router.weight", {3, 8});
  for (int e = 0; e < 3; ++e) {
    add(fmt::format("experts.{}.w1.weight", e), {16, 8});
    add(fmt::format("experts.{}.w3.weight", e), {16, 8});
    add(fmt::format("experts.{}.w2.weight", e), {8, 16});
  }
  DecoderBuilder& b = builder();
  const auto name = [](int64_t e, std::string_view which) {
    return fmt::format("experts.{}.{}.weight", e,
                       which == "gate" ? "w1"
                       : which == "up" ? "w3"
                                       : "w2");
  };
  const int y = b.moe(b.embedding("wte.weight"), "router", 3, name, {.k = 2});
  EXPECT_EQ(type_text(graph_.type(y)), "float32[tokens, 8]");
  const Node& ffn = graph_.nodes().back();
  ASSERT_EQ(ffn.op, "moe_ffn");
  const auto shape_and_axis = [&](size_t input) {
    const Value& value = graph_.at(ffn.inputs[input]);
    return fmt::format("{} {}", type_text(value.type), value.weight.shard_axis);
  };
  EXPECT_EQ(shape_and_axis(3), "float32[3, 16, 8] 1");
  EXPECT_EQ(shape_and_axis(4), "float32[3, 8, 16] 2");
  EXPECT_EQ(shape_and_axis(5), "float32[3, 16, 8] 1");
}

// As the table of weights names them.
TEST_F(DecoderBlocksTest, ExpertsOfALayerByTheirTable) {
  const WeightNames::Experts shape = {.hf = "experts.",
                                      .gate = "w1",
                                      .up = "w3",
                                      .down = "w2",
                                      .count = 2,
                                      .inner = 16,
                                      .columns = 8};
  WeightNames names;
  names.at_layer("h.", 4);
  names.experts(shape);
  for (const WeightName& name : names.take()) add(name.hf, name.shape);
  add("wte.weight", {10, 8});
  add("h.4.router.weight", {2, 8});
  DecoderBuilder& b = builder();
  const std::string p = b.at_layer("h.", 4);
  b.moe(b.embedding("wte.weight"), p, "router", shape, {.k = 1});
  const Node& ffn = graph_.nodes().back();
  ASSERT_EQ(ffn.op, "moe_ffn");
  EXPECT_EQ(ffn.origin, "layer 4");
  EXPECT_EQ(graph_.at(ffn.inputs[3]).name, "h.4.experts.0.w1.weight.experts");
  EXPECT_EQ(graph_.at(ffn.inputs[4]).name, "h.4.experts.0.w2.weight.experts");
  EXPECT_EQ(graph_.at(ffn.inputs[5]).name, "h.4.experts.0.w3.weight.experts");
}

TEST_F(DecoderBlocksTest, TheHeadMayHaveABias) {
  add("wte.weight", {10, 8});
  add("ln.weight", {8});
  add("lm_head.weight", {10, 8});
  add("lm_head.bias", {10});
  add("q.weight", {8, 8});
  DecoderBuilder& b = builder();
  int x = b.embedding("wte.weight");
  DecoderBuilder::Attention attention;
  attention.kv_heads = 2;
  attention.head_dim = 4;
  attention.slopes = b.alibi_slopes(2);
  const int q = b.linear(x, "q", 0);
  x = b.residual(b.attention(q, q, q, 0, attention), x);
  b.finish(
      x, [&](int rows) { return b.layer_norm(rows, "ln", 0.5); }, "lm_head.weight");
  verify(graph_, "test");
  EXPECT_EQ(graph_.at(graph_.find("logits")).producer->inputs.size(), 3u);
}

// Expected: the paper's formula in numpy, float64.
TEST_F(DecoderBlocksTest, YarnSlowsWhatTurnsSeldom) {
  struct Case {
    int64_t dim, original;
    double theta, factor, fast, slow;
    bool truncate;
    std::vector<float> expected;
  };
  const Case kCases[] = {
      {16,
       4096,
       1e4,
       4,
       32,
       1,
       true,
       {1, 0.31622777f, 0.1f, 0.025693506f, 0.00625f, 0.0013834965f, 0.00025f, 7.9056942e-05f}},
      {16,
       4096,
       1e4,
       4,
       32,
       1,
       false,
       {1, 0.31622777f, 0.1f, 0.028613609f, 0.0065569715f, 0.001285632f, 0.00025f, 7.9056942e-05f}},
      {16,
       64,
       500,
       8,
       4,
       2,
       true,
       {1, 0.4598633f, 0.11895427f, 0.012156156f, 0.0055901699f, 0.002570714f, 0.001182177f,
        0.00054363982f}},
      // Both ends before the first pair.
      {8, 16, 1e4, 4, 32, 8, true, {1, 0.025f, 0.0025f, 0.00025f}}};
  for (const Case& c : kCases) {
    RopeConfig rope;
    rope.type = "yarn";
    rope.theta = c.theta;
    rope.factor = c.factor;
    rope.original_max_position = c.original;
    rope.beta_fast = c.fast;
    rope.beta_slow = c.slow;
    rope.truncate = c.truncate;
    rope.attention_factor = 1.25;
    EXPECT_EQ(builder().rope_scale(rope), 1.25);
    const std::vector<float> found = constant(builder().inverse_frequencies(rope, c.dim));
    ASSERT_EQ(found.size(), c.expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_NEAR(found[i], c.expected[i], 1e-6f * c.expected[i]) << c.theta << " " << i;
    }
  }
}

TEST_F(DecoderBlocksTest, NumbersByPositionScaleRows) {
  add("wte.weight", {10, 8});
  DecoderBuilder& b = builder();
  const int x = b.embedding("wte.weight");
  const int y = b.scale_rows(x, b.position_factors(std::vector<float>(64, 1.5f)));
  EXPECT_EQ(type_text(graph_.type(y)), "float32[tokens, 8]");
  EXPECT_THAT(ops(), testing::ElementsAre(R"(embedding{"dtype":"float32"})",
                                          R"(embedding{"dtype":"float32"})", "mul"));
  EXPECT_EQ(graph_.nodes().back().inputs[0], x);
}

}  // namespace
}  // namespace ingot
