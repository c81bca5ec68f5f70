#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(Olmo2Test, GoldenCase) { check_golden("olmo2"); }
TEST(Olmo2Test, GgufHoldsTheSame) { check_gguf_of("olmo2", "olmo2"); }

TEST(Olmo2Test, NormsOfAllOfQueryAndKeyAndBehind) {
  std::vector<std::string> found;
  const auto graph = build_model(open_model_source(golden_path("olmo2")), {});
  for (const Node& node : graph->nodes()) {
    if (node.op != "rms_norm" || node.origin != "layer 0") continue;
    EXPECT_EQ(attr_or<int64_t>(node.attrs, "group", 0), 0);
    found.push_back(graph->at(node.inputs[1]).name);
  }
  const std::string p = "model.layers.0.";
  EXPECT_EQ(found,
            (std::vector<std::string>{p + "self_attn.q_norm.weight", p + "self_attn.k_norm.weight",
                                      p + "post_attention_layernorm.weight",
                                      p + "post_feedforward_layernorm.weight"}));
}

// Olmo 3 goes by the same name in GGUF files.
TEST(Olmo2Test, WindowsOfOlmo3AreRefused) {
  const ModelSource source = open_model_source(golden_path("olmo2"));
  const ScratchDirectory dir;
  GgufLayout layout;
  layout.add = [](GgufWriter& writer) {
    writer.add_uint32("olmo2.attention.sliding_window", 4096);
  };
  write_gguf_of(source, dir / "model.gguf", "olmo2", layout);
  expect_error([&] { build_model(open_model_source(dir / "model.gguf"), {}); },
               ErrorCode::kUnsupported, {"model.gguf", "sliding_window", "expected 0"});
}

TEST(Olmo2Test, ConfigFaultsAreNamed) {
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  check_config_faults(
      "olmo2",
      {{"hidden_act", "sine", unsupported, {"config.json", "hidden_act", "sine"}},
       {"rms_norm_eps", 0.0, corrupt, {"config.json", "rms_norm_eps"}},
       {"attention_bias", true, ErrorCode::kNotFound, {"q_proj.bias"}},
       {"partial_rotary_factor", 0.5, unsupported, {"config.json", "partial_rotary_factor"}},
       {"num_key_value_heads", 2, corrupt, {"model.safetensors", "k_proj.weight", "64"}},
       {"intermediate_size", 100, corrupt, {"model.safetensors", "gate_proj", "100"}},
       {"tie_word_embeddings", 1, corrupt, {"config.json", "tie_word_embeddings"}}});
}

}  // namespace
}  // namespace ingot
