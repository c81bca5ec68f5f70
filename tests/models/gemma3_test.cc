#include "models/contract/config_read.h"
#include "tests/models/golden_run.h"

namespace ingot {
namespace {

constexpr const char* kGemma3 = "gemma3";

TEST(Gemma3Test, GoldenCase) { check_golden(kGemma3); }
TEST(Gemma3Test, SmallWindowsCase) { check_golden("gemma3-tiny"); }

// llama.cpp keeps norms with one added, heads' norms too.
TEST(Gemma3Test, GgufHoldsTheSame) { check_gguf_with_norms_of(kGemma3, "gemma3"); }

// Each layer's window, base of its rotation and block tables.
std::vector<std::string> gemma3_layers(const ModelSource& source) {
  std::vector<std::string> out;
  const auto graph = build_model(source, {});
  double frequency = 0;
  for (const Node& node : graph->nodes()) {
    if (node.op == "rope") {
      const TensorView& data = *graph->constant(node.inputs[2]);
      frequency = data.as<float>()[1];
    }
    if (node.op != "paged_attention") continue;
    out.push_back(fmt::format("{} {:.3g} {}", attr_or<int64_t>(node.attrs, "window", 0), frequency,
                              graph->at(node.inputs[7]).name));
  }
  return out;
}

// With heads of 64 the second frequency is base^(-1/32).
const std::vector<std::string> kGemma3Layers = {
    "16 0.75 block_tables.window", "16 0.75 block_tables.window", "16 0.75 block_tables.window",
    "16 0.75 block_tables.window", "16 0.75 block_tables.window", "0 0.649 block_tables"};

TEST(Gemma3Test, OneKindOfLayerMayBeStatedAlone) {
  if (!has_golden(kGemma3)) return;
  ModelSource source = open_model_source(golden_path(kGemma3));
  source.config["rope_parameters"] = {
      {"full_attention", {{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 1e6}}}};
  std::vector<std::string> scaled = kGemma3Layers;
  scaled.back() = "0 0.0812 block_tables";
  EXPECT_EQ(gemma3_layers(source), scaled);
}

TEST(Gemma3Test, OlderAndNewerKeysSayTheSame) {
  if (!has_golden(kGemma3)) return;
  ModelSource source = open_model_source(golden_path(kGemma3));
  EXPECT_EQ(gemma3_layers(source), kGemma3Layers);
  for (const char* key : {"rope_parameters", "layer_types", "_sliding_window_pattern"}) {
    source.config.erase(key);
  }
  EXPECT_EQ(gemma3_layers(source), kGemma3Layers) << "the class's defaults";
  source.config["rope_theta"] = 1e6;
  source.config["rope_local_base_freq"] = 10000;
  source.config["sliding_window_pattern"] = 6;
  source.config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 8.0}};
  std::vector<std::string> scaled = kGemma3Layers;
  scaled.back() = "0 0.0812 block_tables";
  EXPECT_EQ(gemma3_layers(source), scaled) << "windows are not scaled";
  source.config["sliding_window_pattern"] = 2;
  EXPECT_EQ(gemma3_layers(source)[1], scaled.back());
  const ScratchDirectory dir;
  convert_model(source, {}, dir / "checkpoint");
  expect_same_weights(source, open_model_source(dir / "checkpoint"));
}

// Published files with a vision tower keep the text model under a prefix, and state few of the
// sizes.
TEST(Gemma3Test, TheTextPartOfAModelThatSees) {
  if (!has_golden(kGemma3)) return;
  for (const char* prefix : {"language_model.model.", "model.language_model."}) {
    HfVariant v(kGemma3);
    Json text = v.config;
    for (const char* key : {"architectures", "eos_token_id", "tie_word_embeddings"})
      text.erase(key);
    v.config = {{"architectures", {"Gemma3ForConditionalGeneration"}},
                {"eos_token_id", {1, 106}},
                {"text_config", text},
                {"vision_config", {{"hidden_size", 32}}}};
    v.rename_all("model.", prefix);
    v.tensors["vision_tower.vision_model.post_layernorm.bias"] = {{32}, std::string(64, '\0')};
    v.check();
  }
  ModelSource source;
  source.config_file = "config.json";
  source.config = {{"text_config", {{"hidden_size", 2560}, {"num_hidden_layers", 34}}}};
  const Json config = model_config(source, find_model("Gemma3ForConditionalGeneration"));
  EXPECT_EQ(config["num_attention_heads"], 8);
  EXPECT_EQ(config["num_key_value_heads"], 4);
  EXPECT_EQ(config["head_dim"], 256);
  EXPECT_EQ(config["vocab_size"], 262208);
  EXPECT_EQ(config["rope_theta"], 1e6);
}

TEST(Gemma3Test, QueriesAreScaledByTheStatedScalar) {
  if (!has_golden(kGemma3)) return;
  ModelSource source = open_model_source(golden_path(kGemma3));
  source.config["query_pre_attn_scalar"] = 100;
  const auto graph = build_model(source, {});
  int attentions = 0;
  for (const Node& node : graph->nodes()) {
    if (node.op != "paged_attention") continue;
    ++attentions;
    EXPECT_DOUBLE_EQ(attr_or(node.attrs, "scale", 0.0), 0.1);
  }
  EXPECT_EQ(attentions, 6);
}

// What no GGUF key says: the largest model's queries are scaled by hidden size and heads.
TEST(Gemma3Test, GgufFactsThatNoKeyStates) {
  const ScratchDirectory dir;
  const std::vector<float> row(5376);
  const auto config = [&](uint32_t layers, bool windows) {
    GgufWriter writer;
    writer.add_string("general.architecture", "gemma3");
    const std::pair<const char*, uint32_t> kNumbers[] = {
        {"context_length", 131072},    {"embedding_length", 5376},
        {"block_count", layers},       {"feed_forward_length", 21504},
        {"attention.head_count", 32},  {"attention.head_count_kv", 16},
        {"attention.key_length", 128}, {"attention.value_length", 128}};
    for (const auto& [key, value] : kNumbers)
      writer.add_uint32(std::string("gemma3.") + key, value);
    if (windows) writer.add_uint32("gemma3.attention.sliding_window", 1024);
    if (layers == 12) writer.add_uint32("gemma3.attention.sliding_window_pattern", 3);
    writer.add_float32("gemma3.attention.layer_norm_rms_epsilon", 1e-6f);
    writer.add_float32("gemma3.rope.freq_base", 1e6f);
    writer.add_string("gemma3.rope.scaling.type", "linear");
    writer.add_float32("gemma3.rope.scaling.factor", 8);
    writer.add_tensor("token_embd.weight", DType::kFloat32, {1, 5376},
                      std::as_bytes(std::span(row)));
    writer.write(dir / "model.gguf");
    const ModelSource source = open_model_source(dir / "model.gguf");
    return model_config(source, find_model(source));
  };
  const Json largest = config(62, true);
  EXPECT_EQ(largest["query_pre_attn_scalar"], 168);
  EXPECT_EQ(largest["rope_local_base_freq"], 10000);
  EXPECT_EQ(largest["rope_scaling"]["factor"], 8);
  EXPECT_TRUE(is_local_layer(largest, 60));
  EXPECT_FALSE(is_local_layer(largest, 59));
  const Json third = config(12, true);
  for (int64_t i = 0; i < 12; ++i) EXPECT_EQ(is_local_layer(third, i), i % 3 != 2) << i;
  const Json other = config(34, false);
  EXPECT_EQ(other["query_pre_attn_scalar"], 128);
  for (int64_t i = 0; i < 34; ++i) EXPECT_FALSE(is_local_layer(other, i));
}

TEST(Gemma3Test, ConfigFaultsAreNamed) {
  if (!has_golden(kGemma3)) return;
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  check_config_faults(
      kGemma3,
      {{"query_pre_attn_scalar", 0, corrupt, {"config.json", "query_pre_attn_scalar"}},
       {"attn_logit_softcapping", 50, unsupported, {"config.json", "attn_logit_softcapping", "50"}},
       {"use_bidirectional_attention",
        true,
        unsupported,
        {"config.json", "use_bidirectional_attention", "expected false"}},
       {"layer_types", Json{"full_attention"}, corrupt, {"config.json", "layer_types", "6", "1"}},
       {"sliding_window", 0, corrupt, {"config.json", "sliding_window", "found 0"}},
       {"rope_parameters",
        Json{{"sliding_attention", {{"rope_type", "linear"}, {"factor", 2.0}}}},
        unsupported,
        {"config.json", "rope_parameters", "sliding_attention", "linear"}},
       {"hidden_activation", "sine", unsupported, {"config.json", "hidden_activation", "sine"}}});
}

}  // namespace
}  // namespace ingot
