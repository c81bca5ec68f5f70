#include "tests/models/golden_run.h"

namespace ingot {
namespace {

constexpr const char* kGlm = "glm";

TEST(Glm4Test, GoldenCase) { check_golden(kGlm); }
TEST(Glm4Test, SmallCase) { check_golden("glm-tiny"); }

// The converter leaves query, key and value apart or, in older files, joins them.
TEST(Glm4Test, GgufHoldsTheSame) {
  for (const char* golden : {"glm-tiny", kGlm}) {
    check_gguf_of(golden, "chatglm");
    check_gguf_of(golden, "chatglm", {.older = true});
  }
}

// GLM-4-0414, here the golden with two more norms in each layer.
TEST(Glm4Test, NormsBehindAttentionAndMlp) {
  if (!has_golden(kGlm)) return;
  HfVariant v(kGlm);
  v.config["architectures"] = {"Glm4ForCausalLM"};
  for (int64_t i = 0; i < v.layers(); ++i) {
    const std::string p = fmt::format("model.layers.{}.", i);
    const auto norm = v.tensors.at(p + "input_layernorm.weight");
    v.tensors[p + "post_self_attn_layernorm.weight"] = norm;
    v.tensors[p + "post_mlp_layernorm.weight"] = norm;
  }
  const ScratchDirectory dir;
  v.write(dir);
  const ModelSource source = open_model_source(dir.path());
  std::vector<std::string> layer;
  const auto graph = build_model(source, {});
  for (const Node& node : graph->nodes()) {
    if (node.op == "rms_norm") layer.push_back(graph->at(node.inputs[1]).name);
    if (node.op == "add") layer.emplace_back("add");
    if (node.op == "add" && layer.size() == 6) break;
  }
  const std::string p = "model.layers.0.";
  EXPECT_EQ(layer,
            (std::vector<std::string>{
                p + "input_layernorm.weight", p + "post_self_attn_layernorm.weight", "add",
                p + "post_attention_layernorm.weight", p + "post_mlp_layernorm.weight", "add"}));
  convert_model(source, {}, dir / "checkpoint");
  expect_same_weights(source, open_model_source(dir / "checkpoint"));
  write_gguf_of(source, dir / "model.gguf", "glm4", {});
  expect_same_weights(source, open_model_source(dir / "model.gguf"));
}

TEST(Glm4Test, BiasesAreTheDefault) {
  if (!has_golden(kGlm)) return;
  ModelSource source = open_model_source(golden_path(kGlm));
  source.config.erase("attention_bias");
  EXPECT_EQ(model_config(source, find_model(source))["attention_bias"], true);
}

TEST(Glm4Test, HalfOfAHeadIsRotatedInPairs) {
  if (!has_golden(kGlm)) return;
  ModelSource source = open_model_source(golden_path(kGlm));
  const auto rotated = [&] {
    const auto graph = build_model(source, {});
    for (const Node& node : graph->nodes()) {
      if (node.op != "rope") continue;
      EXPECT_TRUE(attr_or(node.attrs, "interleaved", false));
      return 2 * graph->constant(node.inputs[2])->elements();
    }
    return int64_t{0};
  };
  EXPECT_EQ(rotated(), 32);
  source.config.erase("partial_rotary_factor");
  EXPECT_EQ(rotated(), 32) << "the class's default";
  source.config["rope_parameters"] = {{"rope_theta", 10000.0}, {"partial_rotary_factor", 0.25}};
  EXPECT_EQ(rotated(), 16);
}

TEST(Glm4Test, ConfigFaultsAreNamed) {
  if (!has_golden(kGlm)) return;
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  const auto missing = ErrorCode::kNotFound;
  check_config_faults(
      kGlm,
      {{"head_dim", nullptr, corrupt, {"model.safetensors", "self_attn", "[256, 128]"}},
       {"partial_rotary_factor", 1.5, unsupported, {"config.json", "partial_rotary_factor", "1.5"}},
       {"hidden_act", "gelu", unsupported, {"config.json", "'hidden_act'", "silu", "gelu"}},
       {"intermediate_size", 128, corrupt, {"mlp.gate_up_proj.weight", "[256, 128]"}},
       {"rope_scaling",
        Json{{"rope_type", "yarn"}, {"factor", 4.0}},
        unsupported,
        {"config.json", "rope_scaling", "yarn"}},
       {"architectures",
        Json{"Glm4ForCausalLM"},
        missing,
        {"layers.0.post_self_attn_layernorm.weight"}},
       {"rms_norm_eps", 2, corrupt, {"config.json", "'rms_norm_eps'"}}});
}

}  // namespace
}  // namespace ingot
