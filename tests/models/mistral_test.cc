#include "tests/models/golden_models.h"

namespace ingot {
namespace {

std::vector<int64_t> windows(const Graph& graph) {
  std::vector<int64_t> out;
  for (const Node& node : graph.nodes()) {
    if (node.op == "paged_attention") out.push_back(attr_or<int64_t>(node.attrs, "window", 0));
  }
  return out;
}

TEST(MistralTest, CheckpointHoldsTheSame) {
  ScratchDirectory dir;
  const ModelSource source = open_model_source(golden_path("mistral-swa"));
  convert_model(source, {}, dir / "checkpoint");
  expect_same_weights(source, open_model_source(dir / "checkpoint"));
}

TEST(MistralTest, EveryLayerHasTheWindow) {
  const ModelSource source = open_model_source(golden_path("mistral-swa"));
  const auto window = source.config["sliding_window"].get<int64_t>();
  ASSERT_GT(window, 0);
  const auto found = windows(*build_model(source, {}));
  EXPECT_FALSE(found.empty());
  for (int64_t w : found) EXPECT_EQ(w, window);
}

TEST(MistralTest, ConfigFaultsAreNamed) {
  check_config_faults("mistral-swa",
                      {{"sliding_window",
                        "wide",
                        ErrorCode::kCorrupt,
                        {"config.json", "'sliding_window'", "found string"}},
                       {"sliding_window",
                        0,
                        ErrorCode::kCorrupt,
                        {"config.json", "'sliding_window'", "null for none", "found 0"}},
                       {"rms_norm_eps",
                        "small",
                        ErrorCode::kCorrupt,
                        {"config.json", "'rms_norm_eps'", "expected a number", "found string"}}});
}

// Hugging Face's class: a key that is left out is not null.
TEST(MistralTest, KeysThatAreLeftOut) {
  ModelSource source = open_model_source(golden_path("mistral-swa"));
  source.config["num_attention_heads"] = 8;
  source.config["head_dim"] = 32;
  source.config.erase("sliding_window");
  source.config.erase("num_key_value_heads");
  const ModelDef& model = find_model("mistral");
  Json config = model_config(source, model);
  EXPECT_EQ(config["sliding_window"], 4096);
  EXPECT_EQ(config["num_key_value_heads"], 8);
  source.config["sliding_window"] = nullptr;
  EXPECT_EQ(model_config(source, model)["sliding_window"], 0);
}

// Its class has no biases; a Llama by the same config would look for them.
TEST(MistralTest, BiasesThatAConfigNamesAreNone) {
  ModelSource source = open_model_source(golden_path("mistral-swa"));
  source.config["attention_bias"] = true;
  source.config["mlp_bias"] = true;
  EXPECT_NE(build_model(source, {}), nullptr);
  for (const char* key : {"attention_bias", "mlp_bias"}) {
    EXPECT_EQ(model_config(source, find_model("mistral"))[key], false);
    EXPECT_EQ(model_config(source, find_model("mixtral"))[key], false);
    EXPECT_EQ(model_config(source, find_model("llama"))[key], true);
  }
}

}  // namespace
}  // namespace ingot
