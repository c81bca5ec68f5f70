// What the Gemmas share: norms that count as one plus their weight, a scaled embedding, and by
// generation norms behind each half of a block, norms of heads, windows and caps.
#pragma once

#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"

namespace ingot {

struct GemmaVariant {
  bool norms_behind = true;  // of attention and MLP too, before they are added
  bool head_norms = false;   // of each head of query and key
};

// What Hugging Face files may put before the names of gemma_weights(): the last three are where
// models with a vision tower keep their text part.
std::vector<std::string_view> gemma_prefixes();
// ModelDef members: what all generations have. A generation has its own keys, and its default of
// head_dim, beside them.
std::vector<ConfigKey> gemma_keys(std::vector<ConfigKey> own);
void read_gemma_config(ConfigReader& c);
// null means no cap; what is not stated is `fallback`.
double gemma_cap(ConfigReader& c, const Json& raw, const char* key, double fallback);
// query_pre_attn_scalar, and where it stands in no file, GGUF: that of head_dim, but hidden_size by
// heads in the largest of a generation, which is known by its layers. After read_gemma_config().
void gemma_query_scalar(ConfigReader& c, int64_t largest);

std::vector<WeightName> gemma_weights(const Json& config, const GemmaVariant& variant);
// By the config's keys, where it has them: layer_types and sliding_window, query_pre_attn_scalar,
// attn_logit_softcapping, final_logit_softcapping, rope_local_base_freq (of layers with a window).
void build_gemma(const Json& config, const WeightSource& weights, const BuildOptions& options,
                 Graph& graph, const GemmaVariant& variant);

}  // namespace ingot
