#include "models/contract/llama_family.h"

namespace ingot {
namespace model_mistral {
constexpr LlamaVariant kVariant = {.has_biases = false};

const std::vector<Preset> kPresets = {
    // v0.3, which has no sliding window.
    {"mistral-7b",
     R"({"architectures": ["MistralForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
         "vocab_size": 32768, "max_position_embeddings": 32768, "rms_norm_eps": 1e-5,
         "rope_theta": 1000000.0, "sliding_window": null, "tie_word_embeddings": false})",
     7.25}};

// Hugging Face's class has numbers of its own where a config leaves a key out; null is no window.
Json parse(const ModelSource& source, const Json& raw) {
  Json config = raw;
  if (source.kind == ModelSourceKind::kHuggingFace) {
    if (!raw.contains("sliding_window")) config["sliding_window"] = 4096;
    if (!raw.contains("num_key_value_heads")) config["num_key_value_heads"] = 8;
  }
  return parse_llama_config(source, config, kVariant);
}
}  // namespace model_mistral

// Mistral 7B (Jiang et al., 2023): Llama with a sliding window on every layer.
const ModelDef& mistral_model() {
  using namespace model_mistral;
  static const ModelDef model = {
      .name = "mistral",
      .architectures = {"MistralForCausalLM"},
      .keys = llama_keys(),
      .ignored = usual_ignored(),
      .parse_config = parse,
      .weights = [](const Json& config) { return llama_weights(config, kVariant); },
      .build = build_llama,
      .presets = kPresets};
  return model;
}

}  // namespace ingot
