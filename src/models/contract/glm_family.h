// What GLM-4 and the ChatGLMs before it share: one block, in which half of each head is rotated, in
// pairs of neighbours; norms behind attention and MLP in some.
#pragma once

#include "models/contract/config_read.h"
#include "models/contract/weight_names.h"

namespace ingot {

// ModelDef members. Names of weights are Hugging Face's GlmForCausalLM's.
std::vector<ConfigKey> glm_keys();
Json read_glm_config(ConfigReader& c);
std::vector<WeightName> glm_weights(const Json& config);
void build_glm(const Json& config, const WeightSource& weights, const BuildOptions& options,
               Graph& graph);

}  // namespace ingot
