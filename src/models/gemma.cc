#include "models/contract/gemma_family.h"

namespace ingot {
namespace model_gemma {

constexpr GemmaVariant kVariant = {.norms_behind = false};

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (!source.gguf) c.use_default("head_dim", 256);
  // The first configs say "gelu" and mean its approximation, which it was trained with.
  if (!c.has("hidden_activation") && c.stated<std::string>("hidden_act", "gelu") != "gelu") {
    c.also_called("hidden_activation", {"hidden_act"});
  }
  read_gemma_config(c);
  if (c.stated("use_bidirectional_attention", false)) {
    c.refuse("use_bidirectional_attention", "false", "true");
  }
  c.rope();
  return c.config();
}

}  // namespace model_gemma

// Gemma (Gemma Team, 2024), the first generation: Llama's block with a scaled embedding, norms of
// one plus a weight, and GELU.
const ModelDef& gemma_model() {
  using namespace model_gemma;
  static const ModelDef model = {
      .name = "gemma",
      .architectures = {"GemmaForCausalLM"},
      .keys = gemma_keys({}),
      .hf_prefixes = gemma_prefixes(),
      .ignored = usual_ignored(),
      .parse_config = parse,
      .weights = [](const Json& config) { return gemma_weights(config, kVariant); },
      .build = [](const Json& config, const WeightSource& weights, const BuildOptions& options,
                  Graph& graph) { build_gemma(config, weights, options, graph, kVariant); },
      .presets = {{"gemma-7b",
                   R"({"architectures": ["GemmaForCausalLM"], "hidden_size": 3072,
                       "num_hidden_layers": 28, "num_attention_heads": 16,
                       "num_key_value_heads": 16, "head_dim": 256, "intermediate_size": 24576,
                       "vocab_size": 256000, "max_position_embeddings": 8192,
                       "rms_norm_eps": 1e-6, "rope_theta": 10000.0})",
                   8.54}}};
  return model;
}

}  // namespace ingot
