#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(MptTest, GoldenCase) { check_golden("mpt"); }
TEST(MptTest, PlainCase) { check_golden("mpt-plain"); }

// GGUF has no scale of the scores.
TEST(MptTest, GgufHoldsTheSame) {
  ModelSource source = open_model_source(golden_path("mpt"));
  source.config["attn_config"].erase("softmax_scale");
  const ScratchDirectory dir;
  for (const bool clipped : {true, false}) {
    if (!clipped) source.config["attn_config"]["clip_qkv"] = nullptr;
    source.config["attn_config"]["alibi_bias_max"] = 16;
    const std::string path = dir / (clipped ? "clipped.gguf" : "whole.gguf");
    write_gguf_of(source, path, "mpt");
    expect_same_weights(source, open_model_source(path));
  }
}

// First slope, scale of the scores and number of limited projections.
struct Facts {
  float slope = 0;
  double scale = 0;
  int clipped = 0;
};
Facts facts_of(const ModelSource& source) {
  Facts out;
  const auto graph = build_model(source, {});
  for (const Node& node : graph->nodes()) {
    out.clipped += node.op == "clip";
    if (node.op != "paged_attention") continue;
    out.scale = attr_or(node.attrs, "scale", 0.0);
    EXPECT_EQ(node.inputs.size(), 9u);
    out.slope = graph->constant(node.inputs[8])->as<float>()[0];
  }
  return out;
}

// The published code and llama.cpp read alibi_bias_max; Hugging Face's class takes 8 for it.
TEST(MptTest, KeysOfAttention) {
  ModelSource source = open_model_source(golden_path("mpt"));
  Facts found = facts_of(source);
  EXPECT_EQ(found.slope, 0.0625f);  // three heads: 2^-4, 2^-8 and 2^-2
  EXPECT_EQ(found.scale, 0.2);
  EXPECT_EQ(found.clipped, 2 * 3);
  source.config["attn_config"] = {{"alibi", true}, {"alibi_bias_max", 16}, {"clip_qkv", nullptr}};
  found = facts_of(source);
  EXPECT_EQ(found.slope, 0.00390625f);
  EXPECT_EQ(found.scale, 1 / std::sqrt(32.0));
  EXPECT_EQ(found.clipped, 0);
  source.config.erase("attn_config");
  EXPECT_EQ(facts_of(source).slope, 0.0625f);
}

TEST(MptTest, ConfigFaultsAreNamed) {
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  const auto attention = [](const char* key, const Json& value) { return Json{{key, value}}; };
  check_config_faults(
      "mpt",
      {{"d_model", nullptr, corrupt, {"config.json", "'hidden_size' is missing"}},
       {"n_heads", 5, corrupt, {"config.json", "num_attention_heads", "a divisor of 96", "5"}},
       {"attn_config", "all", unsupported, {"config.json", "attn_config", "an object", "string"}},
       {"attn_config", attention("alibi", false), unsupported, {"config.json", "'alibi'"}},
       {"attn_config", attention("qk_ln", true), unsupported, {"config.json", "'qk_ln'"}},
       {"attn_config", attention("prefix_lm", true), unsupported, {"config.json", "'prefix_lm'"}},
       {"attn_config",
        attention("attn_type", "grouped_query_attention"),
        unsupported,
        {"config.json", "'attn_type'", "grouped_query_attention"}},
       {"attn_config",
        attention("sliding_window_size", 64),
        unsupported,
        {"config.json", "'sliding_window_size'", "64"}},
       {"attn_config", attention("clip_qkv", -6), corrupt, {"config.json", "'clip_qkv'", "-6"}},
       {"attn_config", attention("alibi_bias_max", 0), corrupt, {"config.json", "alibi_bias_max"}},
       {"logit_scale", 0.5, unsupported, {"config.json", "logit_scale", "null"}},
       {"no_bias", false, unsupported, {"config.json", "no_bias", "expected true"}},
       {"norm_type", "rmsnorm", unsupported, {"config.json", "norm_type", "rmsnorm"}},
       {"expansion_ratio",
        int64_t{1} << 62,
        unsupported,
        {"config.json", "'expansion_ratio'", "1 to 1024"}},
       {"expansion_ratio", 3, corrupt, {"model.safetensors", "ffn.up_proj", "288"}},
       {"tie_word_embeddings", false, ErrorCode::kNotFound, {"lm_head.weight"}}});
}

}  // namespace
}  // namespace ingot
