#include <cmath>

#include "tests/models/golden_run.h"

namespace ingot {
namespace {

constexpr const char* kLlama = "llama-mha";

// A Llama golden is a Gemma whose norms are kept less one, whose embedding is divided by what Gemma
// multiplies it with, and whose activation is SiLU.
HfVariant gemma_of_llama() {
  HfVariant v(kLlama);
  v.config["architectures"] = {"GemmaForCausalLM"};
  v.config["hidden_activation"] = "silu";
  v.widen();
  const auto hidden = v.config["hidden_size"].get<float>();
  v.map("norm.weight", [](float x) { return x - 1; });
  v.map("embed_tokens.weight", [&](float x) { return x / std::sqrt(hidden); });
  return v;
}

TEST(GemmaTest, GoldenCase) { check_golden("gemma"); }

TEST(GemmaTest, ALlamaInItsTerms) { gemma_of_llama().check(); }

TEST(GemmaTest, GgufHoldsTheSame) {
  HfVariant v = gemma_of_llama();
  v.config["hidden_act"] = v.config["hidden_activation"] = nullptr;  // GGUF states neither
  const ScratchDirectory dir;
  v.write(dir);
  check_gguf_with_norms_of(open_model_source(dir.path()), "gemma");
}

// "gelu" of the first configs is the approximation; the newer key means what it says.
TEST(GemmaTest, TheActivationIsTheTrainedOne) {
  ModelSource source = open_model_source(golden_path(kLlama));
  const ModelDef& model = find_model("GemmaForCausalLM");
  const auto activation = [&](Json older, Json newer) {
    source.config["hidden_act"] = std::move(older);
    source.config["hidden_activation"] = std::move(newer);
    return model_config(source, model)["hidden_activation"].get<std::string>();
  };
  EXPECT_EQ(activation("gelu", nullptr), "gelu_tanh");
  EXPECT_EQ(activation("gelu_pytorch_tanh", nullptr), "gelu_tanh");
  EXPECT_EQ(activation(nullptr, nullptr), "gelu_tanh");
  EXPECT_EQ(activation("gelu", "gelu"), "gelu");
  source.config.erase("head_dim");
  EXPECT_EQ(model_config(source, model)["head_dim"], 256);
}

TEST(GemmaTest, ConfigFaultsAreNamed) {
  const Json gemma = {"GemmaForCausalLM"};
  const auto fault = [&](const char* key, Json value, ErrorCode code,
                         std::vector<std::string> parts) {
    ModelSource source = open_model_source(golden_path(kLlama));
    source.config["architectures"] = gemma;
    source.architecture = "GemmaForCausalLM";
    source.config[key] = std::move(value);
    expect_error([&] { build_model(source, {}); }, code, parts);
  };
  fault("hidden_activation", "sine", ErrorCode::kUnsupported, {"config.json", "sine"});
  fault("use_bidirectional_attention", true, ErrorCode::kUnsupported,
        {"config.json", "use_bidirectional_attention"});
  fault("rms_norm_eps", 0, ErrorCode::kCorrupt, {"config.json", "'rms_norm_eps'"});
  fault("attention_bias", true, ErrorCode::kNotFound, {"self_attn.q_proj.bias"});
}

}  // namespace
}  // namespace ingot
