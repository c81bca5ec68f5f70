#include "models/contract/gemma_family.h"

namespace ingot {
namespace model_gemma2 {

constexpr GemmaVariant kVariant = {};

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  c.use_default("head_dim", 256);
  read_gemma_config(c);
  c.size_or("sliding_window", 4096);
  c.local_layers([](int64_t i) { return i % 2 == 0; });
  gemma_cap(c, raw, "attn_logit_softcapping", 50);
  gemma_cap(c, raw, "final_logit_softcapping", 30);
  gemma_query_scalar(c, 46);  // 27B
  c.rope();
  return c.config();
}

}  // namespace model_gemma2

// Gemma 2 (Gemma Team, 2024): norms before and behind each half of a block, caps on scores and
// logits, windows on every second layer.
const ModelDef& gemma2_model() {
  using namespace model_gemma2;
  constexpr auto kInt = ConfigKey::Type::kInt, kFloat = ConfigKey::Type::kFloat;
  static const ModelDef model = {
      .name = "gemma2",
      .architectures = {"Gemma2ForCausalLM"},
      .keys = gemma_keys(
          {{"layer_types", "layer_types"},
           sliding_window_key(),
           {"attn_logit_softcapping", "attn_logit_softcapping", "attn_logit_softcapping", kFloat},
           {"final_logit_softcapping", "final_logit_softcapping", "final_logit_softcapping",
            kFloat},
           {"query_pre_attn_scalar", "query_pre_attn_scalar"}}),
      .hf_prefixes = gemma_prefixes(),
      .ignored = usual_ignored(),
      .parse_config = parse,
      .weights = [](const Json& config) { return gemma_weights(config, kVariant); },
      .build = [](const Json& config, const WeightSource& weights, const BuildOptions& options,
                  Graph& graph) { build_gemma(config, weights, options, graph, kVariant); },
      .presets = {{"gemma-2-9b",
                   R"({"architectures": ["Gemma2ForCausalLM"], "hidden_size": 3584,
                       "num_hidden_layers": 42, "num_attention_heads": 16,
                       "num_key_value_heads": 8, "head_dim": 256, "intermediate_size": 14336,
                       "vocab_size": 256000, "max_position_embeddings": 8192,
                       "rms_norm_eps": 1e-6, "sliding_window": 4096, "rope_theta": 10000.0,
                       "query_pre_attn_scalar": 256, "attn_logit_softcapping": 50.0,
                       "final_logit_softcapping": 30.0})",
                   9.24}}};
  return model;
}

}  // namespace ingot
