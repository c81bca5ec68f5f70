#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(Starcoder2Test, GoldenCase) { check_golden("starcoder2"); }
TEST(Starcoder2Test, SmallCase) { check_golden("starcoder2-tiny"); }
TEST(Starcoder2Test, GgufHoldsTheSame) {
  check_gguf_of("starcoder2-tiny", "starcoder2");
  check_gguf_of("starcoder2", "starcoder2");
}

TEST(Starcoder2Test, EveryLayerHasTheWindow) {
  if (!has_golden("starcoder2")) return;
  ModelSource source = open_model_source(golden_path("starcoder2"));
  const auto windows = [](const ModelSource& of) {
    std::vector<int64_t> out;
    const auto graph = build_model(of, {});
    for (const Node& node : graph->nodes()) {
      if (node.op == "paged_attention") out.push_back(attr_or<int64_t>(node.attrs, "window", 0));
    }
    return out;
  };
  EXPECT_EQ(windows(source), (std::vector<int64_t>{0, 0}));
  source.config["sliding_window"] = 16;
  EXPECT_EQ(windows(source), (std::vector<int64_t>{16, 16}));
  const ScratchDirectory dir;
  convert_model(source, {}, dir / "checkpoint");
  EXPECT_EQ(windows(open_model_source(dir / "checkpoint")), (std::vector<int64_t>{16, 16}));
}

// Without biases but those of the norms, from each kind of file.
TEST(Starcoder2Test, FewerBiases) {
  if (!has_golden("starcoder2")) return;
  ModelSource source = open_model_source(golden_path("starcoder2"));
  source.config["use_bias"] = false;
  const auto graph = build_model(source, {});
  for (const Node& node : graph->nodes()) {
    if (node.op == "linear") EXPECT_EQ(node.inputs.size(), 2u);
    if (node.op == "layer_norm") EXPECT_EQ(node.inputs.size(), 3u);
  }
  const ScratchDirectory dir;
  write_gguf_of(source, dir / "model.gguf", "starcoder2");
  expect_same_weights(source, open_model_source(dir / "model.gguf"));
  convert_model(source, {}, dir / "checkpoint");
  expect_same_weights(source, open_model_source(dir / "checkpoint"));
}

TEST(Starcoder2Test, DefaultsOfTheClass) {
  if (!has_golden("starcoder2")) return;
  ModelSource source = open_model_source(golden_path("starcoder2"));
  const Json stated = model_config(source, find_model("starcoder2"));
  for (const char* key : {"use_bias", "tie_word_embeddings", "norm_epsilon", "hidden_act"}) {
    source.config.erase(key);
  }
  EXPECT_EQ(model_config(source, find_model("starcoder2")), stated);
  source.config.erase("num_key_value_heads");
  EXPECT_EQ(model_config(source, find_model("starcoder2"))["num_key_value_heads"], 2);
}

TEST(Starcoder2Test, ConfigFaultsAreNamed) {
  if (!has_golden("starcoder2")) return;
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  check_config_faults(
      "starcoder2",
      {{"sliding_window", -1, corrupt, {"config.json", "sliding_window", "found -1"}},
       {"norm_type", "rms_norm", unsupported, {"config.json", "norm_type", "layer_norm"}},
       {"mlp_type", "gated", unsupported, {"config.json", "mlp_type", "gated"}},
       {"partial_rotary_factor", 0.5, unsupported, {"config.json", "partial_rotary_factor"}},
       {"norm_epsilon", 0.0, corrupt, {"config.json", "norm_epsilon"}},
       {"hidden_act", "sine", unsupported, {"config.json", "hidden_act", "sine"}},
       {"num_key_value_heads", 2, corrupt, {"model.safetensors", "k_proj.weight", "128"}},
       {"tie_word_embeddings", false, ErrorCode::kNotFound, {"lm_head.weight"}}});
}

}  // namespace
}  // namespace ingot
