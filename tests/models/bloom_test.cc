#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(BloomTest, GoldenCase) { check_golden("bloom"); }
TEST(BloomTest, SmallCase) { check_golden("bloom-tiny"); }
TEST(BloomTest, GgufHoldsTheSame) {
  check_gguf_of("bloom-tiny", "bloom");
  check_gguf_of("bloom", "bloom");
}

// Names of the first published configs.
TEST(BloomTest, OlderConfigKeys) {
  if (!has_golden("bloom")) return;
  ModelSource source = open_model_source(golden_path("bloom"));
  const Json config = model_config(source, find_model("bloom"));
  EXPECT_EQ(config["max_position_embeddings"], 2048);
  source.config["n_embed"] = source.config["hidden_size"];
  source.config["num_attention_heads"] = source.config["n_head"];
  source.config["seq_length"] = 512;
  source.config.erase("hidden_size");
  source.config.erase("n_head");
  Json older = model_config(source, find_model("bloom"));
  EXPECT_EQ(older["max_position_embeddings"], 512);
  older["max_position_embeddings"] = 2048;
  EXPECT_EQ(older, config);
}

TEST(BloomTest, ResidualsMayStartBehindTheNorm) {
  if (!has_golden("bloom")) return;
  ModelSource source = open_model_source(golden_path("bloom"));
  const auto from_norms = [&] {
    int out = 0;
    const auto graph = build_model(source, {});
    for (const Node& node : graph->nodes()) {
      if (node.op != "add") continue;
      out += graph->at(node.inputs[1]).producer->op == "layer_norm";
    }
    return out;
  };
  EXPECT_EQ(from_norms(), 1) << "the embedding's norm";
  source.config["apply_residual_connection_post_layernorm"] = true;
  EXPECT_EQ(from_norms(), 4);
}

TEST(BloomTest, ConfigFaultsAreNamed) {
  if (!has_golden("bloom")) return;
  check_config_faults(
      "bloom", {{"layer_norm_epsilon", 0.0, ErrorCode::kCorrupt, {"config.json", "epsilon"}},
                {"n_layer", 3, ErrorCode::kNotFound, {"model.safetensors", "h.2.input_layernorm"}},
                {"tie_word_embeddings", false, ErrorCode::kNotFound, {"lm_head.weight"}}});
}

}  // namespace
}  // namespace ingot
