#include "models/contract/llama_family.h"

namespace ingot {
namespace model_llama {
constexpr LlamaVariant kVariant = {.has_window = false};
}  // namespace model_llama

// Llama 1 to 3 (Touvron et al., 2023; grouped queries and llama3 rope scaling), SmolLM2.
const ModelDef& llama_model() {
  using namespace model_llama;
  static const ModelDef model = {
      .name = "llama",
      .architectures = {"LlamaForCausalLM"},
      .keys = llama_keys(),
      .parse_config = [](const ModelSource& s,
                         const Json& raw) { return parse_llama_config(s, raw, kVariant); },
      .weights = [](const Json& config) { return llama_weights(config, kVariant); },
      .build = build_llama};
  return model;
}

}  // namespace ingot
