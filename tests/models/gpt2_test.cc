#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(Gpt2Test, GoldenCase) { check_golden("gpt2"); }
TEST(Gpt2Test, SmallCase) { check_golden("gpt2-tiny"); }
TEST(Gpt2Test, GgufHoldsTheSame) {
  check_gguf_of("gpt2-tiny", "gpt2");
  check_gguf_of("gpt2", "gpt2");
}

// The first published files have no "transformer." before their names, and hold masks.
TEST(Gpt2Test, NamesWithoutAPrefix) {
  if (!has_golden("gpt2")) return;
  const ModelSource source = open_model_source(golden_path("gpt2"));
  auto bare = std::make_shared<WeightTable>("bare.safetensors");
  for (const std::string& name : source.weights->names()) {
    WeightInfo info = source.weights->require(name);
    ASSERT_TRUE(name.starts_with("transformer."));
    info.name = name.substr(std::strlen("transformer."));
    bare->add(info);
  }
  bare->add({"h.0.attn.bias", DType::kUInt8, {0}, {}});
  ModelSource other = source;
  other.weights = bare;
  expect_same_weights(source, other);
}

TEST(Gpt2Test, AttentionMayBeScaledByLayer) {
  if (!has_golden("gpt2")) return;
  ModelSource source = open_model_source(golden_path("gpt2"));
  const auto scales = [&] {
    std::vector<double> out;
    const auto graph = build_model(source, {});
    for (const Node& node : graph->nodes()) {
      if (node.op == "paged_attention") out.push_back(attr_or(node.attrs, "scale", 0.0));
    }
    return out;
  };
  EXPECT_EQ(scales(), (std::vector<double>{0.125, 0.125}));
  source.config["scale_attn_by_inverse_layer_idx"] = true;
  EXPECT_EQ(scales(), (std::vector<double>{0.125, 0.0625}));
  source.config["scale_attn_weights"] = false;
  EXPECT_EQ(scales(), (std::vector<double>{1, 0.5}));
}

TEST(Gpt2Test, ConfigFaultsAreNamed) {
  if (!has_golden("gpt2")) return;
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  check_config_faults(
      "gpt2",
      {{"n_embd", nullptr, corrupt, {"config.json", "'hidden_size' is missing"}},
       {"n_head", 3, corrupt, {"config.json", "num_attention_heads", "a divisor of 128", "3"}},
       {"activation_function", "sine", unsupported, {"config.json", "hidden_act", "sine"}},
       {"add_cross_attention", true, unsupported, {"config.json", "add_cross_attention"}},
       {"n_positions", 300, corrupt, {"model.safetensors", "wpe.weight", "300"}},
       {"tie_word_embeddings", false, ErrorCode::kNotFound, {"lm_head.weight"}}});
}

}  // namespace
}  // namespace ingot
