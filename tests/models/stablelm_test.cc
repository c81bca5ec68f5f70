#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(StablelmTest, GoldenCase) { check_golden("stablelm"); }
TEST(StablelmTest, ParallelCase) { check_golden("stablelm-parallel"); }
TEST(StablelmTest, NormsOfHeadsCase) { check_golden("stablelm-head-norms"); }
TEST(StablelmTest, GgufHoldsTheSame) {
  check_gguf_of("stablelm", "stablelm");
  check_gguf_of("stablelm-head-norms", "stablelm");
}

// Attention and MLP side by side behind one norm; GGUF files say so by the norm that they lack.
TEST(StablelmTest, BlocksMayBeInParallel) {
  ModelSource source = open_model_source(golden_path("stablelm"));
  source.config["use_parallel_residual"] = true;
  source.config["use_qkv_bias"] = false;
  const ScratchDirectory dir;
  write_gguf_of(source, dir / "model.gguf", "stablelm");
  convert_model(source, {}, dir / "checkpoint");
  for (const ModelSource& each :
       {source, open_model_source(dir / "model.gguf"), open_model_source(dir / "checkpoint")}) {
    expect_same_weights(source, each);
    int norms = 0, biases = 0;
    const auto graph = build_model(each, {});
    for (const Node& node : graph->nodes()) {
      norms += node.op == "layer_norm";
      biases += node.op == "linear" && node.inputs.size() > 2;
    }
    EXPECT_EQ(norms, 2 + 1) << each.path;
    EXPECT_EQ(biases, 0) << each.path;
  }
}

TEST(StablelmTest, OlderKeysAndDefaultsOfTheClass) {
  ModelSource source = open_model_source(golden_path("stablelm"));
  const Json config = model_config(source, find_model("stablelm"));
  ModelSource older = source;
  older.architecture = "StableLMEpochForCausalLM";
  older.config["rope_pct"] = older.config["partial_rotary_factor"];
  older.config["norm_eps"] = older.config["layer_norm_eps"];
  older.config.erase("partial_rotary_factor");
  older.config.erase("layer_norm_eps");
  EXPECT_EQ(model_config(older, find_model(older)), config);
  older.config.erase("rope_pct");
  older.config.erase("norm_eps");
  EXPECT_EQ(model_config(older, find_model(older)), config);
  older.config["rope_pct"] = 0.5;
  EXPECT_EQ(model_config(older, find_model(older))["partial_rotary_factor"], 0.5);
  older.config["norm_eps"] = 1e-3;
  ModelSource later = older;
  later.architecture = "StableLmForCausalLM";
  EXPECT_EQ(model_config(later, find_model(later)), config) << "its class reads neither";
  older.config["num_attention_heads"] = older.config["hidden_size"] = 64;
  older.config["head_dim"] = 4;
  older.config.erase("num_key_value_heads");
  EXPECT_EQ(model_config(older, find_model(older))["num_key_value_heads"], 32);
}

TEST(StablelmTest, ConfigFaultsAreNamed) {
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  check_config_faults(
      "stablelm",
      {{"qk_layernorm", true, ErrorCode::kNotFound, {"self_attn.q_layernorm.norms.0.weight"}},
       {"partial_rotary_factor", 1.25, unsupported, {"config.json", "partial_rotary_factor"}},
       {"hidden_act", "sine", unsupported, {"config.json", "hidden_act", "sine"}},
       {"layer_norm_eps", 0.0, corrupt, {"config.json", "layer_norm_eps"}},
       {"num_key_value_heads", 2, corrupt, {"model.safetensors", "k_proj.weight", "64"}},
       {"intermediate_size", 100, corrupt, {"model.safetensors", "gate_proj", "100"}},
       {"num_hidden_layers", 3, ErrorCode::kNotFound, {"model.layers.2.input_layernorm"}}});
}

}  // namespace
}  // namespace ingot
