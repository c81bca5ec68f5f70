#include "models/contract/llama_family.h"

namespace ingot {
namespace model_qwen2 {
constexpr LlamaVariant kVariant = {
    .qkv_bias = true, .gguf_permuted = false, .window_needs_flag = true};
}  // namespace model_qwen2

// Qwen2 and Qwen2.5 (Yang et al., 2024): Llama with biases on query, key and value.
const ModelDef& qwen2_model() {
  using namespace model_qwen2;
  static const ModelDef model = {
      .name = "qwen2",
      .architectures = {"Qwen2ForCausalLM"},
      .keys = llama_keys(),
      .parse_config = [](const ModelSource& s,
                         const Json& raw) { return parse_llama_config(s, raw, kVariant); },
      .weights = [](const Json& config) { return llama_weights(config, kVariant); },
      .build = build_llama};
  return model;
}

}  // namespace ingot
