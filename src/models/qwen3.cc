#include "models/contract/llama_family.h"

namespace ingot {
namespace model_qwen3 {

constexpr LlamaVariant kVariant = {
    .gguf_permuted = false, .window_by_layer = true, .head_norms = true};

Json parse(const ModelSource& source, const Json& raw) {
  const bool hf = source.kind == ModelSourceKind::kHuggingFace;
  ConfigReader c(source, raw);
  if (hf) c.use_default("head_dim", 128);
  read_llama_config(c, kVariant);
  // Which layers have the window: those of layer_types, by default from max_window_layers on. GGUF
  // does not state it.
  const bool used = hf ? c.stated("use_sliding_window", false) : !source.gguf;
  if (hf && used && !raw.contains("sliding_window")) c.use_default("sliding_window", 4096);
  if (!used) c.override_with("sliding_window", 0);
  const int64_t window = c.count_or("sliding_window", 0);
  if (window == 0) c.override_with("layer_types", nullptr);
  const auto first = c.stated<int64_t>("max_window_layers", 28);
  c.local_layers([&](int64_t layer) { return window > 0 && layer >= first; });
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
      .ignored = llama_ignored(),
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
