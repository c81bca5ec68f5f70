#include "models/contract/llama_family.h"

namespace ingot {
namespace model_llama {
constexpr LlamaVariant kVariant = {.has_window = false};

const std::vector<Preset> kPresets = {
    {"llama-2-7b",
     R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 32, "intermediate_size": 11008,
         "vocab_size": 32000, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
         "rope_theta": 10000.0, "tie_word_embeddings": false})",
     6.74},
    {"llama-2-13b",
     R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 5120, "num_hidden_layers": 40,
         "num_attention_heads": 40, "num_key_value_heads": 40, "intermediate_size": 13824,
         "vocab_size": 32000, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
         "rope_theta": 10000.0, "tie_word_embeddings": false})",
     13.02},
    {"llama-3.1-8b",
     R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
         "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
         "rope_theta": 500000.0, "tie_word_embeddings": false,
         "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                          "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}})",
     8.03},
    {"llama-3.1-70b",
     R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 8192, "num_hidden_layers": 80,
         "num_attention_heads": 64, "num_key_value_heads": 8, "intermediate_size": 28672,
         "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
         "rope_theta": 500000.0, "tie_word_embeddings": false,
         "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                          "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}})",
     70.55},
    {"smollm2-135m",
     R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 576, "num_hidden_layers": 30,
         "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536,
         "vocab_size": 49152, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
         "rope_theta": 100000.0, "tie_word_embeddings": true})",
     0.135}};
}  // namespace model_llama

// Llama 1 to 3 (Touvron et al., 2023; grouped queries and llama3 rope scaling), SmolLM2.
const ModelDef& llama_model() {
  using namespace model_llama;
  static const ModelDef model = {
      .name = "llama",
      .architectures = {"LlamaForCausalLM"},
      .keys = llama_keys(),
      .ignored = usual_ignored(),
      .parse_config = [](const ModelSource& s,
                         const Json& raw) { return parse_llama_config(s, raw, kVariant); },
      .weights = [](const Json& config) { return llama_weights(config, kVariant); },
      .build = build_llama,
      .presets = kPresets};
  return model;
}

}  // namespace ingot
