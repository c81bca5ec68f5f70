#include "models/contract/llama_family.h"

namespace ingot {
namespace model_qwen2 {
constexpr LlamaVariant kVariant = {
    .qkv_bias = true, .gguf_permuted = false, .window_by_layer = true};

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  read_llama_config(c, kVariant);
  c.switched_window();
  c.upper_window_layers();
  return c.config();
}

std::vector<ConfigKey> keys() {
  std::vector<ConfigKey> out = llama_keys();
  out.push_back({"layer_types", "layer_types"});
  return out;
}

const std::vector<Preset> kPresets = {
    // Its "intermediate_size" of 22016 counts both halves of the gated MLP.
    {"qwen-7b",
     R"({"architectures": ["Qwen2ForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 32, "intermediate_size": 11008,
         "vocab_size": 151936, "max_position_embeddings": 8192, "rms_norm_eps": 1e-6,
         "rope_theta": 10000.0, "tie_word_embeddings": false})",
     7.72,
     "Qwen 1's shapes through Qwen2's layers: without its scaling of attention by log(length)"},
    {"qwen2.5-7b",
     R"({"architectures": ["Qwen2ForCausalLM"], "hidden_size": 3584, "num_hidden_layers": 28,
         "num_attention_heads": 28, "num_key_value_heads": 4, "intermediate_size": 18944,
         "vocab_size": 152064, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6,
         "rope_theta": 1000000.0, "tie_word_embeddings": false})",
     7.62}};
}  // namespace model_qwen2

// Qwen2 and Qwen2.5 (Yang et al., 2024): Llama with biases on query, key and value.
const ModelDef& qwen2_model() {
  using namespace model_qwen2;
  static const ModelDef model = {
      .name = "qwen2",
      .architectures = {"Qwen2ForCausalLM"},
      .keys = keys(),
      .ignored = usual_ignored(),
      .parse_config = parse,
      .weights = [](const Json& config) { return llama_weights(config, kVariant); },
      .build = build_llama,
      .presets = kPresets};
  return model;
}

}  // namespace ingot
