#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(Qwen2Test, GoldenCaseOfWindows) { check_golden("qwen2-windows"); }

TEST(Qwen2Test, GgufAndCheckpointHoldTheSame) {
  check_golden_sources("qwen2-tied", "qwen2", false);
}

TEST(Qwen2Test, TheHeadIsTheEmbeddingAndProjectionsHaveBiases) {
  const auto graph = build_model(open_model_source(golden_path("qwen2-tied")), {});
  int embedding = kNoValue, head = kNoValue, biases = 0;
  for (const Node& node : graph->nodes()) {
    if (node.op == "embedding") embedding = node.inputs[1];
    if (node.op == "linear") head = node.inputs[1];
    biases += node.op == "linear" && node.inputs.size() > 2;
  }
  EXPECT_EQ(embedding, head);
  EXPECT_EQ(biases, 3 * 2) << "q, k and v of two layers";
}

// Qwen2.5's configs name a layer past the last: no window.
TEST(Qwen2Test, TheWindowIsThatOfTheUpperLayers) {
  ModelSource source = open_model_source(golden_path("qwen2-tied"));
  Json& config = source.config;
  const auto windows = [](const ModelSource& of) {
    std::vector<int64_t> out;
    const auto graph = build_model(of, {});
    for (const Node& node : graph->nodes()) {
      if (node.op == "paged_attention") out.push_back(attr_or<int64_t>(node.attrs, "window", 0));
    }
    return out;
  };
  using Windows = std::vector<int64_t>;
  config.erase("layer_types");
  config["sliding_window"] = 16;
  EXPECT_EQ(windows(source), (Windows{0, 0}));
  config["use_sliding_window"] = true;
  EXPECT_EQ(windows(source), (Windows{0, 0})) << "from layer 28 on";
  config["max_window_layers"] = 1;
  EXPECT_EQ(windows(source), (Windows{0, 16}));
  config["layer_types"] = {"sliding_attention", "full_attention"};
  EXPECT_EQ(windows(source), (Windows{16, 0}));
  config.erase("layer_types");
  config["max_window_layers"] = 0;
  EXPECT_EQ(windows(source), (Windows{16, 16}));
  const ScratchDirectory dir;
  convert_model(source, {}, dir / "checkpoint");
  EXPECT_EQ(windows(open_model_source(dir / "checkpoint")), (Windows{16, 16}));
}

TEST(Qwen2Test, ConfigFaultsAreNamed) {
  check_config_faults("qwen2-tied",
                      {{"tie_word_embeddings",
                        "yes",
                        ErrorCode::kCorrupt,
                        {"config.json", "'tie_word_embeddings'", "found string"}},
                       {"tie_word_embeddings", false, ErrorCode::kNotFound, {"lm_head.weight"}}});
}

}  // namespace
}  // namespace ingot
