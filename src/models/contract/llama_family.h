// What Llama, Mistral and Qwen2 share: one block, different biases, windows and file names.
#pragma once

#include "models/contract/decoder.h"

namespace ingot {

// How a member differs from plain Llama.
struct LlamaVariant {
  bool qkv_bias = false;           // biases on q, k and v unless the config says otherwise
  bool gguf_permuted = true;       // GGUF reorders q and k rows
  bool has_window = true;          // knows sliding_window; Hugging Face's Llama ignores it
  bool window_needs_flag = false;  // sliding_window counts only with use_sliding_window
};

// ModelDef members, in terms of a variant.
std::vector<ConfigKey> llama_keys();
std::vector<std::string_view> llama_ignored();
Json parse_llama_config(const ModelSource& source, Json raw, const LlamaVariant& variant);
std::vector<WeightName> llama_weights(const Json& config, const LlamaVariant& variant);
void build_llama(const Json& config, const WeightSource& weights, const BuildOptions& options,
                 Graph& graph);

}  // namespace ingot
