#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(GptNeoxTest, GoldenCase) { check_golden("gpt-neox"); }
TEST(GptNeoxTest, SmallCase) { check_golden("gpt-neox-tiny"); }
TEST(GptNeoxTest, SerialCase) { check_golden("gpt-neox-serial"); }
TEST(GptNeoxTest, GgufHoldsTheSame) {
  check_gguf_of("gpt-neox-tiny", "gptneox");
  check_gguf_of("gpt-neox", "gptneox");
}

// Published files call the head "embed_out"; the newest class, "lm_head".
TEST(GptNeoxTest, BothNamesOfTheHead) {
  if (!has_golden("gpt-neox")) return;
  const ModelSource source = open_model_source(golden_path("gpt-neox"));
  auto older = std::make_shared<WeightTable>("older.safetensors");
  bool renamed = false;
  for (const std::string& name : source.weights->names()) {
    WeightInfo info = source.weights->require(name);
    if (name == "lm_head.weight") {
      info.name = "embed_out.weight";
      renamed = true;
    }
    older->add(info);
  }
  older->add({"gpt_neox.layers.0.attention.masked_bias", DType::kUInt8, {0}, {}});
  ASSERT_TRUE(renamed);
  ModelSource other = source;
  other.weights = older;
  expect_same_weights(source, other);
}

TEST(GptNeoxTest, RotationsOfEveryKeyStyle) {
  if (!has_golden("gpt-neox")) return;
  ModelSource source = open_model_source(golden_path("gpt-neox"));
  const auto read = [&] {
    const Json c = model_config(source, find_model("gpt_neox"));
    return std::pair(c["rope_theta"].get<double>(), c["partial_rotary_factor"].get<double>());
  };
  EXPECT_EQ(read(), std::pair(10000.0, 0.25));
  for (const char* key : {"rotary_pct", "rotary_emb_base", "rope_theta"}) source.config.erase(key);
  EXPECT_EQ(read(), std::pair(10000.0, 0.25)) << "the class's defaults";
  source.config["rope_theta"] = 500;
  source.config["partial_rotary_factor"] = 1.0;
  EXPECT_EQ(read(), std::pair(10000.0, 0.25)) << "the class reads neither";
  source.config["rope_theta"] = 10000;
  source.config["rotary_pct"] = 1.0;
  source.config["rotary_emb_base"] = 500;
  EXPECT_EQ(read(), std::pair(500.0, 1.0));
  source.config["rope_parameters"] = {
      {"rope_type", "default"}, {"rope_theta", 700.0}, {"partial_rotary_factor", 0.5}};
  EXPECT_EQ(read(), std::pair(700.0, 0.5));
}

// What comes before an operator that reads a weight.
std::string producer_before(const Graph& graph, const std::string& weight) {
  for (const Node& node : graph.nodes()) {
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      if (graph.at(node.inputs[i]).name == weight) return graph.at(node.inputs[0]).producer->op;
    }
  }
  return "nothing reads " + weight;
}

TEST(GptNeoxTest, BlocksMayBeInSequence) {
  if (!has_golden("gpt-neox")) return;
  ModelSource source = open_model_source(golden_path("gpt-neox"));
  const char* norm = "layers.0.post_attention_layernorm.weight";
  EXPECT_EQ(producer_before(*build_model(source, {}), norm), "embedding");
  source.config["use_parallel_residual"] = false;
  EXPECT_EQ(producer_before(*build_model(source, {}), norm), "add");
  const ScratchDirectory dir;
  write_gguf_of(source, dir / "model.gguf", "gptneox");
  convert_model(source, {}, dir / "checkpoint");
  for (const char* kept : {"model.gguf", "checkpoint"}) {
    const ModelSource other = open_model_source(dir / kept);
    expect_same_weights(source, other);
    EXPECT_EQ(producer_before(*build_model(other, {}), norm), "add") << kept;
  }
}

// Biases of attention alone; a head that is the embedding.
TEST(GptNeoxTest, FewerWeights) {
  if (!has_golden("gpt-neox")) return;
  HfVariant v("gpt-neox");
  v.config["attention_bias"] = false;
  v.config["tie_word_embeddings"] = true;
  v.tensors.erase("lm_head.weight");
  const ScratchDirectory tied;
  v.write(tied);
  const ModelSource source = open_model_source(tied.path());
  const ModelDef& model = find_model("gpt_neox");
  const auto weights = canonical_weights(source, model, model_config(source, model));
  EXPECT_FALSE(weights->contains("embed_out.weight"));
  EXPECT_FALSE(weights->contains("layers.0.attention.dense.bias"));
  EXPECT_FALSE(weights->contains("layers.0.attention.query_key_value.q.bias"));
  EXPECT_TRUE(weights->contains("layers.0.mlp.dense_h_to_4h.bias"));
  const ScratchDirectory dir;
  write_gguf_of(source, dir / "model.gguf", "gptneox");
  expect_same_weights(source, open_model_source(dir / "model.gguf"));
}

TEST(GptNeoxTest, ConfigFaultsAreNamed) {
  if (!has_golden("gpt-neox")) return;
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  const Json dynamic = {{"type", "dynamic"}, {"factor", 2.0}};
  check_config_faults(
      "gpt-neox",
      {{"num_attention_heads", 3, corrupt, {"config.json", "num_attention_heads", "a divisor"}},
       {"rotary_pct", 2.0, unsupported, {"config.json", "partial_rotary_factor", "2"}},
       {"rotary_pct", 0.08, corrupt, {"config.json", "partial_rotary_factor", "even", "5"}},
       {"rotary_emb_base", -1, corrupt, {"config.json", "rope_theta", "positive"}},
       {"use_parallel_residual", "no", corrupt, {"config.json", "use_parallel_residual"}},
       {"layer_norm_eps", 0.0, corrupt, {"config.json", "layer_norm_eps"}},
       {"rope_scaling", dynamic, unsupported, {"config.json", "rope_scaling", "dynamic"}},
       {"hidden_act", "sine", unsupported, {"config.json", "hidden_act", "sine"}},
       {"intermediate_size", 300, corrupt, {"model.safetensors", "dense_h_to_4h", "300"}},
       {"num_hidden_layers", 3, ErrorCode::kNotFound, {"layers.2.input_layernorm"}}});
}

}  // namespace
}  // namespace ingot
