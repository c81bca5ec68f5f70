#include "tests/models/golden_run.h"

namespace ingot {
namespace {

constexpr const char* kMixtral = "mixtral";

TEST(MixtralTest, GoldenCase) { check_golden(kMixtral); }
TEST(MixtralTest, SmallCase) { check_golden("mixtral-tiny"); }

// llama.cpp calls it llama, interleaves q and k, and keeps experts in stacks or, in older files,
// one by one.
TEST(MixtralTest, GgufHoldsTheSame) {
  if (!has_golden(kMixtral)) return;
  const Json config = open_model_source(golden_path(kMixtral)).config;
  const auto heads = [&](const WeightName& name) -> int64_t {
    if (name.hf.find("q_proj") != name.hf.npos) return config["num_attention_heads"];
    if (name.hf.find("k_proj") != name.hf.npos) return config["num_key_value_heads"];
    return 0;
  };
  check_gguf_of(kMixtral, "llama", {.heads = heads});
  check_gguf_of(kMixtral, "llama", {.heads = heads, .older = true});
}

// Published files have a matrix for each expert's projection.
TEST(MixtralTest, ExpertsOneByOne) {
  if (!has_golden(kMixtral)) return;
  HfVariant v(kMixtral);
  const int64_t experts = v.config["num_local_experts"], inner = v.config["intermediate_size"],
                hidden = v.config["hidden_size"];
  const auto half = static_cast<size_t>(inner * hidden * 2);
  for (int64_t i = 0; i < v.layers(); ++i) {
    const std::string p = fmt::format("model.layers.{}.", i), q = p + "block_sparse_moe.";
    v.rename(p + "mlp.gate.weight", q + "gate.weight");
    const std::string both = v.tensors.extract(p + "mlp.experts.gate_up_proj").mapped().second;
    const std::string down = v.tensors.extract(p + "mlp.experts.down_proj").mapped().second;
    for (int64_t e = 0; e < experts; ++e) {
      const std::string expert = fmt::format("{}experts.{}.", q, e);
      const auto at = static_cast<size_t>(e) * half;
      v.tensors[expert + "w1.weight"] = {{inner, hidden}, both.substr(2 * at, half)};
      v.tensors[expert + "w3.weight"] = {{inner, hidden}, both.substr(2 * at + half, half)};
      v.tensors[expert + "w2.weight"] = {{hidden, inner}, down.substr(at, half)};
    }
  }
  v.check();
  v.tensors.erase("model.layers.1.block_sparse_moe.experts.3.w2.weight");
  const ScratchDirectory dir;
  v.write(dir);
  expect_error([&] { build_model(open_model_source(dir.path()), {}); }, ErrorCode::kNotFound,
               {"model.safetensors", "layers.1.block_sparse_moe.experts.3.w2.weight"});
}

TEST(MixtralTest, EveryLayerIsAMixtureOfTheStatedExperts) {
  if (!has_golden(kMixtral)) return;
  const ModelSource source = open_model_source(golden_path(kMixtral));
  const auto graph = build_model(source, {});
  int mixtures = 0;
  for (const Node& node : graph->nodes()) {
    if (node.op == "moe_route") EXPECT_EQ(attr_or<int64_t>(node.attrs, "k", 0), 2);
    if (node.op != "moe_ffn") continue;
    ++mixtures;
    EXPECT_EQ(type_text(graph->type(node.inputs[3])), "bfloat16[4, 256, 128]");
  }
  EXPECT_EQ(mixtures, 2);
  EXPECT_EQ(find_model("MixtralForCausalLM").name, "mixtral");
}

TEST(MixtralTest, ConfigFaultsAreNamed) {
  if (!has_golden(kMixtral)) return;
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  check_config_faults(
      kMixtral,
      {{"num_local_experts", 0, corrupt, {"config.json", "'num_local_experts'", "found 0"}},
       {"num_local_experts", 5, corrupt, {"model.safetensors", "mlp.gate.weight", "5"}},
       {"num_experts_per_tok", 5, corrupt, {"config.json", "'num_experts_per_tok'", "1 to 4"}},
       {"num_experts_per_tok", "two", corrupt, {"config.json", "'num_experts_per_tok'"}},
       {"hidden_act", "gelu", unsupported, {"config.json", "'hidden_act'", "silu", "gelu"}},
       {"intermediate_size", 512, corrupt, {"model.safetensors", "mlp.experts", "512"}}});
}

// A small file that would ask for millions of names.
// Hugging Face's class: a key that is left out is not null.
TEST(MixtralTest, KeyValueHeadsThatAreLeftOut) {
  ModelSource source = open_model_source(golden_path("mistral-swa"));
  source.config["num_attention_heads"] = 16;
  source.config["head_dim"] = 16;
  source.config.erase("num_key_value_heads");
  const ModelDef& model = find_model("mixtral");
  EXPECT_EQ(model_config(source, model)["num_key_value_heads"], 8);
  source.config["num_key_value_heads"] = nullptr;
  EXPECT_EQ(model_config(source, model)["num_key_value_heads"], 16);
}

TEST(MixtralTest, ExpertsOfAllLayersHaveALimit) {
  if (!has_golden(kMixtral)) return;
  ModelSource source = open_model_source(golden_path(kMixtral));
  source.config["num_hidden_layers"] = 4096;
  source.config["num_local_experts"] = 1024;
  expect_error([&] { model_config(source, find_model("mixtral")); }, ErrorCode::kCorrupt,
               {"'num_local_experts'", "at most 131072 in 4096 layers", "1024"});
}

}  // namespace
}  // namespace ingot
