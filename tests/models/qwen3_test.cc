#include "tests/models/golden_run.h"

namespace ingot {
namespace {

constexpr const char* kQwen3 = "qwen3-headdim128";

TEST(Qwen3Test, GoldenCase) { check_golden(kQwen3); }
TEST(Qwen3Test, SmallCase) { check_golden("qwen3-tiny"); }
TEST(Qwen3Test, GgufHoldsTheSame) {
  check_gguf_of("qwen3-tiny", "qwen3");
  check_gguf_of(kQwen3, "qwen3");
}

// Heads of 128 beside a hidden size of 128 and four heads.
TEST(Qwen3Test, EveryHeadOfQueryAndKeyIsNormed) {
  if (!has_golden(kQwen3)) return;
  ModelSource source = open_model_source(golden_path(kQwen3));
  const auto graph = build_model(source, {});
  int norms = 0;
  for (const Node& node : graph->nodes()) {
    if (node.op != "rms_norm" || attr_or<int64_t>(node.attrs, "group", 0) == 0) continue;
    EXPECT_EQ(attr_or<int64_t>(node.attrs, "group", 0), 128);
    ++norms;
  }
  EXPECT_EQ(norms, 4) << "query and key of two layers";
  source.config.erase("head_dim");
  EXPECT_EQ(model_config(source, find_model(source))["head_dim"], 128) << "the class's default";
}

// Windows of the layers, and the block tables that they read.
TEST(Qwen3Test, TheWindowIsThatOfTheNamedLayers) {
  if (!has_golden(kQwen3)) return;
  ModelSource source = open_model_source(golden_path(kQwen3));
  Json& config = source.config;
  const auto layers = [&] {
    std::vector<std::string> out;
    const auto graph = build_model(source, {});
    for (const Node& node : graph->nodes()) {
      if (node.op != "paged_attention") continue;
      out.push_back(fmt::format("{} {}", attr_or<int64_t>(node.attrs, "window", 0),
                                graph->at(node.inputs[7]).name));
    }
    return out;
  };
  const std::vector<std::string> full = {"0 block_tables", "0 block_tables"};
  const std::vector<std::string> second = {"0 block_tables", "16 block_tables.window"};
  EXPECT_EQ(layers(), full);
  config["sliding_window"] = 16;
  EXPECT_EQ(layers(), full) << "only with use_sliding_window";
  config["use_sliding_window"] = true;
  config["layer_types"] = {"full_attention", "sliding_attention"};
  EXPECT_EQ(layers(), second);
  config.erase("layer_types");
  EXPECT_EQ(layers(), full) << "from layer 28 on";
  config["max_window_layers"] = 1;
  EXPECT_EQ(layers(), second);
  const ScratchDirectory dir;
  convert_model(source, {}, dir / "checkpoint");
  expect_same_weights(source, open_model_source(dir / "checkpoint"));
  config.erase("sliding_window");
  EXPECT_EQ(layers().back(), "4096 block_tables.window") << "the class's default";
  config["sliding_window"] = nullptr;
  EXPECT_EQ(layers(), full);
}

TEST(Qwen3Test, ConfigFaultsAreNamed) {
  if (!has_golden(kQwen3)) return;
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  check_config_faults(
      kQwen3, {{"head_dim", 64, corrupt, {"model.safetensors", "self_attn", "[256, 128]"}},
               {"head_dim", 127, corrupt, {"config.json", "'head_dim'", "found 127"}},
               {"attention_bias",
                true,
                ErrorCode::kNotFound,
                {"model.safetensors", "self_attn.q_proj.bias"}},
               {"hidden_act", "gelu", unsupported, {"config.json", "'hidden_act'", "silu", "gelu"}},
               {"rope_parameters",
                Json{{"rope_type", "longrope"}, {"rope_theta", 1e6}, {"factor", 4.0}},
                unsupported,
                {"config.json", "rope_scaling", "longrope"}},
               {"use_sliding_window", "yes", corrupt, {"config.json", "'use_sliding_window'"}}});
}

}  // namespace
}  // namespace ingot
