#include "tests/models/golden_run.h"

namespace ingot {
namespace {

constexpr const char* kGqa = "llama3-gqa-rope";

// Each layer's window, and whether it rotates.
std::vector<std::string> smollm3_layers(const ModelSource& source) {
  std::vector<std::string> out;
  const auto graph = build_model(source, {});
  bool rotated = false;
  for (const Node& node : graph->nodes()) {
    if (node.op == "rope") rotated = true;
    if (node.op != "paged_attention") continue;
    out.push_back(fmt::format("{} {}", attr_or<int64_t>(node.attrs, "window", 0),
                              rotated ? "rotated" : "plain"));
    rotated = false;
  }
  return out;
}

// A Llama golden is a SmolLM3 of two layers that both rotate.
TEST(SmolLm3Test, GoldenCase) { check_golden("smollm3"); }

TEST(SmolLm3Test, ALlamaInItsTerms) {
  HfVariant v(kGqa);
  v.config["architectures"] = {"SmolLM3ForCausalLM"};
  v.check();
  v.config["no_rope_layers"] = {1, 1};
  v.check();
  // llama.cpp's GGUF has the same keys and layout as Llama's.
  const ScratchDirectory dir;
  v.write(dir);
  const ModelSource source = open_model_source(dir.path());
  const auto heads = [&](const WeightName& name) -> int64_t {
    if (name.hf.find("q_proj") != name.hf.npos) return v.config["num_attention_heads"];
    if (name.hf.find("k_proj") != name.hf.npos) return v.config["num_key_value_heads"];
    return 0;
  };
  write_gguf_of(source, dir / "model.gguf", "smollm3", {.heads = heads});
  const ModelSource gguf = open_model_source(dir / "model.gguf");
  EXPECT_EQ(smollm3_layers(gguf), (std::vector<std::string>{"0 rotated", "0 rotated"}));
  const auto ours =
      canonical_weights(source, find_model(source), model_config(source, find_model(source)));
  const auto theirs =
      canonical_weights(gguf, find_model(gguf), model_config(gguf, find_model(gguf)));
  ASSERT_EQ(ours->names(), theirs->names());
  for (const std::string& name : ours->names()) {
    EXPECT_TRUE(std::ranges::equal(ours->require(name).bytes, theirs->require(name).bytes)) << name;
  }
}

TEST(SmolLm3Test, SomeLayersKnowNoPositions) {
  ModelSource source = open_model_source(golden_path(kGqa));
  source.architecture = "SmolLM3ForCausalLM";
  Json& config = source.config;
  using Layers = std::vector<std::string>;
  config["no_rope_layer_interval"] = 2;
  EXPECT_EQ(smollm3_layers(source), (Layers{"0 rotated", "0 plain"}));
  config["no_rope_layers"] = {0, 1};
  EXPECT_EQ(smollm3_layers(source), (Layers{"0 plain", "0 rotated"}));
  config["sliding_window"] = 16;
  EXPECT_EQ(smollm3_layers(source), (Layers{"0 plain", "0 rotated"}));
  config["use_sliding_window"] = true;
  EXPECT_EQ(smollm3_layers(source), (Layers{"16 plain", "0 rotated"}));
  config["layer_types"] = {"full_attention", "sliding_attention"};
  EXPECT_EQ(smollm3_layers(source), (Layers{"0 plain", "16 rotated"}));
  config["use_sliding_window"] = false;
  EXPECT_EQ(smollm3_layers(source), (Layers{"0 plain", "16 rotated"})) << "by layer_types";
  const ScratchDirectory dir;
  convert_model(source, {}, dir / "checkpoint");
  expect_same_weights(source, open_model_source(dir / "checkpoint"));
  EXPECT_EQ(smollm3_layers(open_model_source(dir / "checkpoint")),
            (Layers{"0 plain", "16 rotated"}));
  const Json defaults = model_config(source, find_model(source));
  EXPECT_EQ(defaults["tie_word_embeddings"], false) << "stated";
  config.erase("tie_word_embeddings");
  config.erase("rope_theta");
  config.erase("rope_scaling");
  const Json other = model_config(source, find_model(source));
  EXPECT_EQ(other["tie_word_embeddings"], false) << "the golden keeps a head of its own";
  EXPECT_EQ(find_model(source).parse_config(source, config)["tie_word_embeddings"], true);
  EXPECT_EQ(other["rope_theta"], 2e6);
  config.erase("num_key_value_heads");
  EXPECT_EQ(model_config(source, find_model(source))["num_key_value_heads"], 4);
  config["num_key_value_heads"] = nullptr;
  EXPECT_EQ(model_config(source, find_model(source))["num_key_value_heads"],
            config["num_attention_heads"]);
}

TEST(SmolLm3Test, ConfigFaultsAreNamed) {
  const auto fault = [&](const char* key, Json value, std::vector<std::string> parts) {
    ModelSource source = open_model_source(golden_path(kGqa));
    source.config[key] = std::move(value);
    parts.emplace_back("config.json");
    expect_error([&] { model_config(source, find_model("smollm3")); }, ErrorCode::kCorrupt, parts);
  };
  fault("no_rope_layers", {1}, {"'no_rope_layers'", "2 entries", "found 1"});
  fault("no_rope_layers", {1, 2}, {"'no_rope_layers'", "0 to 1", "found 2"});
  fault("no_rope_layer_interval", 0, {"'no_rope_layer_interval'", "found 0"});
  fault("use_sliding_window", 1, {"'use_sliding_window'"});
}

}  // namespace
}  // namespace ingot
