// What Llama and its relatives share: one block, different biases, norms, windows, feed-forward
// layers and file names.
#pragma once

#include <functional>

#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"

namespace ingot {

// How a member differs from plain Llama.
struct LlamaVariant {
  bool qkv_bias = false;      // biases on q, k and v unless the config says otherwise
  bool gguf_permuted = true;  // GGUF reorders q and k rows
  bool has_biases = true;     // knows attention_bias and mlp_bias; Hugging Face's Mistral has none
  bool has_window = true;     // knows sliding_window; Hugging Face's Llama ignores it
  bool window_by_layer = false;  // the model reads its windows itself
  bool head_norms = false;       // RMS norms of each head of q and k
};

// Where a member departs from Llama's graph; what is empty or 1 is Llama's.
struct LlamaParts {
  // Changes what attention has of layer `layer`.
  std::function<void(DecoderBuilder& b, int64_t layer, DecoderBuilder::Attention& shape)>
      attention = {};
  // In place of layer `layer`'s gated MLP of the normed x.
  std::function<int(DecoderBuilder& b, int x, int64_t layer)> mlp = {};
  double embedding_scale = 1;
  double residual_scale = 1;  // of what attention and MLP add
  double logit_scale = 1;
};

// ModelDef members, in terms of a variant.
std::vector<ConfigKey> llama_keys();
Json parse_llama_config(const ModelSource& source, Json raw, const LlamaVariant& variant);
// The same of a reader, for models that have more keys.
void read_llama_config(ConfigReader& c, const LlamaVariant& variant);
// `mlp` names the feed-forward layer's weights of a layer, whose prefix is set; without it they are
// Llama's.
using LlamaMlpNames = FunctionRef<void(WeightNames& names, int64_t layer)>;
std::vector<WeightName> llama_weights(const Json& config, const LlamaVariant& variant);
std::vector<WeightName> llama_weights(const Json& config, const LlamaVariant& variant,
                                      LlamaMlpNames mlp);
void llama_mlp_names(const Json& config, WeightNames& names);
void build_llama(const Json& config, const WeightSource& weights, const BuildOptions& options,
                 Graph& graph);
void build_llama(const Json& config, const WeightSource& weights, const BuildOptions& options,
                 Graph& graph, const LlamaParts& parts);
// Layer `layer`'s gated MLP, for parts that are only some layers' own.
int llama_mlp(DecoderBuilder& b, int x, int64_t layer);

}  // namespace ingot
