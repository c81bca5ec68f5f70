#include "tests/models/golden_run.h"

namespace ingot {
namespace {

constexpr const char* kGrouped = "llama3-gqa-rope";

// The golden under InternLM2's names: of each KV head its queries, its key and its value.
HfVariant internlm2_of_llama() {
  HfVariant v(kGrouped);
  v.config["architectures"] = {"InternLM2ForCausalLM"};
  v.config["bias"] = false;
  v.config.erase("attention_bias");
  const int64_t kv_heads = v.config["num_key_value_heads"], hidden = v.config["hidden_size"];
  v.rename("model.embed_tokens.weight", "model.tok_embeddings.weight");
  v.rename("lm_head.weight", "output.weight");
  for (int64_t i = 0; i < v.layers(); ++i) {
    const std::string p = fmt::format("model.layers.{}.", i);
    const auto take = [&](const char* which) {
      return v.tensors.extract(fmt::format("{}self_attn.{}_proj.weight", p, which)).mapped();
    };
    const auto q = take("q"), k = take("k"), val = take("v");
    std::string joined;
    for (int64_t h = 0; h < kv_heads; ++h) {
      for (const auto* part : {&q, &k, &val}) {
        const size_t size = part->second.size() / static_cast<size_t>(kv_heads);
        joined += part->second.substr(static_cast<size_t>(h) * size, size);
      }
    }
    const int64_t rows = q.first[0] + k.first[0] + val.first[0];
    v.tensors[p + "attention.wqkv.weight"] = {{rows, hidden}, joined};
    const std::pair<const char*, const char*> kNames[] = {
        {"input_layernorm", "attention_norm"},    {"self_attn.o_proj", "attention.wo"},
        {"post_attention_layernorm", "ffn_norm"}, {"mlp.gate_proj", "feed_forward.w1"},
        {"mlp.up_proj", "feed_forward.w3"},       {"mlp.down_proj", "feed_forward.w2"}};
    for (const auto& [ours, theirs] : kNames) {
      v.rename(p + ours + ".weight", p + theirs + ".weight");
    }
  }
  return v;
}

TEST(InternLm2Test, GoldenCase) { check_golden("internlm2"); }
TEST(InternLm2Test, ALlamaUnderItsNames) { internlm2_of_llama().check(); }

TEST(InternLm2Test, GgufHoldsTheSame) {
  HfVariant v = internlm2_of_llama();
  v.config.erase("rope_scaling");
  const ScratchDirectory dir;
  v.write(dir);
  const ModelSource source = open_model_source(dir.path());
  const auto heads = [&](const WeightName& name) -> int64_t {
    if (name.hf.find("q_proj") != name.hf.npos) return v.config["num_attention_heads"];
    if (name.hf.find("k_proj") != name.hf.npos) return v.config["num_key_value_heads"];
    return 0;
  };
  write_gguf_of(source, dir / "model.gguf", "internlm2", {.heads = heads});
  expect_same_weights(source, open_model_source(dir / "model.gguf"));
}

TEST(InternLm2Test, RotationsMayBeScaled) {
  ModelSource source = open_model_source(golden_path(kGrouped));
  const ModelDef& model = find_model("InternLM2ForCausalLM");
  source.config["rope_scaling"] = {{"type", "dynamic"}, {"factor", 2.0}};
  EXPECT_EQ(model_config(source, model)["rope_scaling"]["rope_type"], "dynamic");
  source.config["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};
  EXPECT_EQ(model_config(source, model)["rope_scaling"]["factor"], 2);
}

// Those of the published class; attention_bias is a key of Llama's.
TEST(InternLm2Test, KeysThatAreLeftOut) {
  ModelSource source = open_model_source(golden_path(kGrouped));
  const ModelDef& model = find_model("InternLM2ForCausalLM");
  source.config.erase("rope_theta");
  source.config["attention_bias"] = false;
  EXPECT_EQ(model_config(source, model)["rope_theta"], 1e4);
  EXPECT_EQ(model_config(source, model)["attention_bias"], true);
  source.config["bias"] = false;
  EXPECT_EQ(model_config(source, model)["attention_bias"], false);
}

TEST(InternLm2Test, ConfigFaultsAreNamed) {
  const auto fault = [](const char* key, Json value, ErrorCode code,
                        std::vector<std::string> parts) {
    HfVariant v = internlm2_of_llama();
    v.config[key] = std::move(value);
    const ScratchDirectory dir;
    v.write(dir);
    expect_error([&] { build_model(open_model_source(dir.path()), {}); }, code, parts);
  };
  fault("bias", true, ErrorCode::kNotFound, {"layers.0.attention.wqkv.bias"});
  fault("hidden_act", "gelu", ErrorCode::kUnsupported, {"config.json", "'hidden_act'", "gelu"});
  fault("rope_scaling", {{"type", "yarn"}, {"factor", 2.0}}, ErrorCode::kUnsupported,
        {"config.json", "rope_scaling", "yarn"});
  fault("num_key_value_heads", 1, ErrorCode::kCorrupt, {"attention.wqkv.weight", "[384, 256]"});
}

}  // namespace
}  // namespace ingot
