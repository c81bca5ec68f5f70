#include "models/contract/glm_family.h"

namespace ingot {
namespace model_glm4 {

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (source.kind == ModelSourceKind::kHuggingFace) {
    c.override_with("norms_behind", source.architecture == "Glm4ForCausalLM");
    c.use_default("head_dim", 128);
    c.use_default("partial_rotary_factor", 0.5);
    c.use_default("attention_bias", true);
  }
  return read_glm_config(c);
}

}  // namespace model_glm4

// GLM-4 (GLM Team, 2024) in both of its forms: the first, and the one of 2025 with norms behind
// attention and MLP. Half of each head is rotated, in pairs of neighbours.
const ModelDef& glm4_model() {
  using namespace model_glm4;
  static const ModelDef model = {
      .name = "glm4",
      .architectures = {"GlmForCausalLM", "Glm4ForCausalLM"},
      .keys = glm_keys(),
      .ignored = usual_ignored(),
      .parse_config = parse,
      .weights = glm_weights,
      .build = build_glm,
      .presets = {{"glm-4-9b",
                   R"({"architectures": ["GlmForCausalLM"], "hidden_size": 4096,
                       "num_hidden_layers": 40, "num_attention_heads": 32,
                       "num_key_value_heads": 2, "head_dim": 128, "intermediate_size": 13696,
                       "vocab_size": 151552, "max_position_embeddings": 131072,
                       "rms_norm_eps": 1.5625e-7, "rope_theta": 10000.0,
                       "partial_rotary_factor": 0.5, "attention_bias": true})",
                   9.4}}};
  return model;
}

}  // namespace ingot
