#include "models/contract/llama_family.h"

namespace ingot {
namespace model_qwen3 {

constexpr LlamaVariant kVariant = {
    .gguf_permuted = false, .window_by_layer = true, .head_norms = true};

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (source.kind == ModelSourceKind::kHuggingFace) c.use_default("head_dim", 128);
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

}  // namespace model_qwen3

// Qwen3 (Yang et al., 2025): Llama with norms of each query and key head.
const ModelDef& qwen3_model() {
  using namespace model_qwen3;
  static const ModelDef model = {
      .name = "qwen3",
      .architectures = {"Qwen3ForCausalLM"},
      .keys = keys(),
      .ignored = usual_ignored(),
      .parse_config = parse,
      .weights = [](const Json& config) { return llama_weights(config, kVariant); },
      .build = build_llama,
      .presets = {{"qwen3-8b",
                   R"({"architectures": ["Qwen3ForCausalLM"], "hidden_size": 4096,
                       "num_hidden_layers": 36, "num_attention_heads": 32,
                       "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 12288,
                       "vocab_size": 151936, "max_position_embeddings": 40960,
                       "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
                       "tie_word_embeddings": false})",
                   8.19}}};
  return model;
}

}  // namespace ingot
