#include "models/contract/weight_names.h"

#include <gmock/gmock.h>

#include <cstring>
#include <map>

namespace ingot {
namespace {

std::map<std::string, WeightName> by_hf(std::vector<WeightName> names) {
  std::map<std::string, WeightName> out;
  for (WeightName& name : names) {
    std::string hf = name.hf;
    out.emplace(std::move(hf), std::move(name));
  }
  return out;
}

// What a transform makes of a tensor that holds 0, 1, 2, ...
std::vector<int> applied(const WeightTransform& transform, Shape shape) {
  std::vector<float> numbers(static_cast<size_t>(element_count(shape)));
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i);
  WeightTable keep("test");
  const WeightInfo info = transform.apply(
      {"t", DType::kFloat32, std::move(shape), std::as_bytes(std::span(numbers))}, keep);
  const auto* found = reinterpret_cast<const float*>(info.bytes.data());
  return {found, found + info.elements()};
}

TEST(WeightNamesTest, NamesStandSideBySide) {
  WeightNames names;
  names.matrix({"wte", "token_embd", "transformer.vocab_embedding"}, 10, 4);
  names.positions("wpe", "position_embd", 6, 4, 2);
  names.at_layer("h.", 3);
  names.linear({"fc", "ffn_up", "mlp.fc"}, 8, 4, true);
  names.transposed_linear({"proj", "ffn_down", "mlp.proj"}, 4, 8, false);
  names.norm({"ln_1", "attn_norm", "input_layernorm"}, 4, true);
  names.norm({"ln_2", "ffn_norm", "post_layernorm"}, 4, false, {.optional = true});
  const auto table = by_hf(names.take());
  EXPECT_EQ(table.size(), 8u);
  EXPECT_EQ(table.at("wte.weight").checkpoint, "transformer.vocab_embedding.weight");
  EXPECT_EQ(table.at("wpe.weight").shape, (Shape{6, 4}));
  EXPECT_EQ(table.at("wpe.weight").from_hf.shape, (Shape{8, 4}));
  EXPECT_EQ(applied(table.at("wpe.weight").from_hf, {8, 4})[0], 8);
  const WeightName& bias = table.at("h.3.fc.bias");
  EXPECT_EQ(bias.gguf, "blk.3.ffn_up.bias");
  EXPECT_EQ(bias.checkpoint, "transformer.layers.3.mlp.fc.bias");
  EXPECT_EQ(bias.shape, (Shape{8}));
  EXPECT_EQ(table.at("h.3.proj.weight").from_hf.shape, (Shape{8, 4}));
  EXPECT_FALSE(table.at("h.3.proj.weight").from_gguf.apply);
  EXPECT_TRUE(table.contains("h.3.ln_1.bias"));
  EXPECT_TRUE(table.at("h.3.ln_2.weight").optional);
}

TEST(WeightNamesTest, AHeadIsTheEmbeddingWhereTheyAreTied) {
  Json config = {{"tie_word_embeddings", false}, {"vocab_size", 10}, {"hidden_size", 4}};
  WeightNames apart;
  apart.head(config, "embed_out", {.or_from_hf = "lm_head"});
  const std::vector<WeightName> table = apart.take();
  ASSERT_EQ(table.size(), 1u);
  EXPECT_EQ(table[0].hf, head_weight(config, "wte", "embed_out"));
  EXPECT_EQ(table[0].gguf, "output.weight");
  EXPECT_EQ(table[0].checkpoint, "lm_head.weight");
  EXPECT_EQ(table[0].shape, (Shape{10, 4}));
  EXPECT_EQ(table[0].or_from_hf.at(0).stored, "lm_head.weight");
  config["tie_word_embeddings"] = true;
  WeightNames tied;
  tied.head(config);
  EXPECT_TRUE(tied.take().empty());
  EXPECT_EQ(head_weight(config, "wte"), "wte.weight");
}

// Two KV heads of two queries each, all of one row.
TEST(WeightNamesTest, QueryKeyValueOutOfOneTensor) {
  const std::map<WeightNames::Fused, std::vector<std::vector<int>>> expected = {
      {WeightNames::Fused::kStacked, {{0, 1, 2, 3}, {4, 5}, {6, 7}}},
      {WeightNames::Fused::kTransposed, {{0, 1, 2, 3}, {4, 5}, {6, 7}}},
      {WeightNames::Fused::kByKvHead, {{0, 1, 4, 5}, {2, 6}, {3, 7}}}};
  for (const auto& [fused, rows] : expected) {
    WeightNames names;
    names.at_layer("h.", 0);
    names.qkv("attn.c_attn", "attn_qkv",
              {.heads = 4,
               .kv_heads = 2,
               .head_dim = 1,
               .columns = 1,
               .with_bias = true,
               .fused = fused});
    const std::vector<WeightName> table = names.take();
    ASSERT_EQ(table.size(), 6u);
    for (size_t i = 0; i < 6; ++i) {
      const bool bias = i >= 3;  // all of a checkpoint's tensor in a row
      const WeightName& name = table[i];
      const char* end = bias ? ".bias" : ".weight";
      EXPECT_EQ(name.hf, fmt::format("h.0.attn.c_attn.{}{}", "qkv"[i % 3], end));
      EXPECT_EQ(name.from_hf.stored, std::string("h.0.attn.c_attn") + end);
      EXPECT_EQ(name.gguf, std::string("blk.0.attn_qkv") + end);
      EXPECT_EQ(name.checkpoint, std::string("transformer.layers.0.attention.qkv") + end);
      EXPECT_EQ(applied(name.from_hf, name.from_hf.shape), rows[i % 3]) << name.hf;
      const std::vector<int> stacked[] = {{0, 1, 2, 3}, {4, 5}, {6, 7}};
      EXPECT_EQ(applied(name.from_gguf, name.from_gguf.shape), stacked[i % 3]) << name.hf;
    }
    EXPECT_EQ(table[0].from_hf.shape,
              fused == WeightNames::Fused::kTransposed ? (Shape{1, 8}) : (Shape{8, 1}));
  }
}

TEST(WeightNamesTest, QueryKeyValueApart) {
  WeightNames names;
  names.at_layer("h.", 0);
  names.qkv_apart("attn.",
                  {.heads = 4, .kv_heads = 2, .head_dim = 3, .columns = 5, .with_bias = true});
  const std::vector<WeightName> table = names.take();
  ASSERT_EQ(table.size(), 6u);
  for (size_t i = 0; i < 6; ++i) {
    const char* end = i >= 3 ? ".bias" : ".weight";
    EXPECT_EQ(table[i].hf, fmt::format("h.0.attn.{}_proj{}", "qkv"[i % 3], end));
    EXPECT_EQ(table[i].gguf, fmt::format("blk.0.attn_{}{}", "qkv"[i % 3], end));
    EXPECT_EQ(table[i].checkpoint, std::string("transformer.layers.0.attention.qkv") + end);
    EXPECT_EQ(table[i].shape[0], i % 3 == 0 ? 12 : 6);
    const WeightTransform& fused = table[i].or_from_gguf.at(0);
    EXPECT_EQ(fused.stored, std::string("blk.0.attn_qkv") + end);
    const int first[] = {0, 12, 18};
    EXPECT_EQ(applied(fused, fused.shape)[0], first[i % 3] * (i >= 3 ? 1 : 5));
  }
}

TEST(WeightNamesTest, GateAndUpOutOfOneTensor) {
  WeightNames names;
  names.gate_up("mlp.gate_up_proj", "ffn_up", 2, 1);
  const std::vector<WeightName> table = names.take();
  ASSERT_EQ(table.size(), 2u);
  EXPECT_EQ(table[0].hf, "mlp.gate_up_proj.gate.weight");
  EXPECT_EQ(table[0].checkpoint, "mlp.fc.weight");
  EXPECT_EQ(table[1].checkpoint, "mlp.gate.weight");
  EXPECT_EQ(applied(table[0].from_hf, {4, 1}), (std::vector<int>{0, 1}));
  EXPECT_EQ(applied(table[1].from_hf, {4, 1}), (std::vector<int>{2, 3}));
  EXPECT_EQ(applied(table[1].from_gguf, {4, 1}), (std::vector<int>{2, 3}));
}

// A checkpoint's fc is the gated half.
TEST(WeightNamesTest, GateAndUpApart) {
  WeightNames names;
  names.gated_mlp("mlp.", 6, 4, true);
  const std::vector<WeightName> table = names.take();
  ASSERT_EQ(table.size(), 6u);
  const char* hf[] = {"gate", "up", "down"};
  const char* checkpoint[] = {"fc", "gate", "proj"};
  for (size_t i = 0; i < table.size(); ++i) {
    const char* end = i % 2 == 0 ? "weight" : "bias";
    EXPECT_EQ(table[i].hf, fmt::format("mlp.{}_proj.{}", hf[i / 2], end));
    EXPECT_EQ(table[i].gguf, fmt::format("ffn_{}.{}", hf[i / 2], end));
    EXPECT_EQ(table[i].checkpoint, fmt::format("mlp.{}.{}", checkpoint[i / 2], end));
    EXPECT_EQ(table[i].shape[0], i < 4 ? 6 : 4);
  }
}

// Two experts of two inner columns; in Hugging Face's stack of gate and up each has four rows.
TEST(WeightNamesTest, ExpertsAloneAndInStacks) {
  WeightNames names;
  names.at_layer("h.", 0);
  names.experts({.count = 2, .inner = 2, .columns = 1});
  const std::vector<WeightName> table = names.take();
  ASSERT_EQ(table.size(), 6u);
  const std::string kinds[] = {"gate", "gate", "up", "up", "down", "down"};
  const char* checkpoint[] = {"fc", "gate", "proj"};
  for (size_t i = 0; i < table.size(); ++i) {
    const WeightName& name = table[i];
    const size_t e = i % 2;
    EXPECT_EQ(name.hf, fmt::format("h.0.mlp.experts.{}.{}_proj.weight", e, kinds[i]));
    EXPECT_EQ(name.checkpoint, fmt::format("transformer.layers.0.mlp.{}.weight", checkpoint[i / 2]))
        << "one kind after the other";
    EXPECT_EQ(name.gguf, fmt::format("blk.0.ffn_{}_exps.weight", kinds[i]));
    ASSERT_EQ(name.or_from_hf.size(), 1u);
    ASSERT_EQ(name.or_from_gguf.size(), i < 4 ? 2u : 1u);
    if (i < 4) EXPECT_EQ(name.or_from_gguf[1].stored, "blk.0.ffn_gate_up_exps.weight");
    EXPECT_EQ(name.or_from_hf[0].stored,
              i < 4 ? "h.0.mlp.experts.gate_up_proj" : "h.0.mlp.experts.down_proj");
    EXPECT_EQ(name.or_from_gguf[0].stored, fmt::format("blk.0.ffn_{}.{}.weight", kinds[i], e));
  }
  EXPECT_EQ(applied(table[1].from_gguf, {2, 2, 1}), (std::vector<int>{2, 3}));
  EXPECT_EQ(applied(table[5].from_gguf, {2, 1, 2}), (std::vector<int>{2, 3}));
  EXPECT_EQ(applied(table[1].or_from_hf[0], {2, 4, 1}), (std::vector<int>{4, 5}));
  EXPECT_EQ(applied(table[3].or_from_hf[0], {2, 4, 1}), (std::vector<int>{6, 7}));
  EXPECT_EQ(applied(table[3].or_from_gguf[1], {2, 4, 1}), (std::vector<int>{6, 7}));
  EXPECT_EQ(applied(table[5].or_from_hf[0], {2, 1, 2}), (std::vector<int>{2, 3}));
}

}  // namespace
}  // namespace ingot
