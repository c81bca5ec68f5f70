#include "models/contract/llama_family.h"

namespace ingot {
namespace model_mistral {
constexpr LlamaVariant kVariant = {};
}  // namespace model_mistral

// Mistral 7B (Jiang et al., 2023): Llama with a sliding window on every layer.
const ModelDef& mistral_model() {
  using namespace model_mistral;
  static const ModelDef model = {
      .name = "mistral",
      .architectures = {"MistralForCausalLM"},
      .keys = llama_keys(),
      .parse_config = [](const ModelSource& s,
                         const Json& raw) { return parse_llama_config(s, raw, kVariant); },
      .weights = [](const Json& config) { return llama_weights(config, kVariant); },
      .build = build_llama};
  return model;
}

}  // namespace ingot
