#include <cmath>

#include "models/contract/llama_family.h"

namespace ingot {
namespace model_granite {

constexpr LlamaVariant kVariant = {.has_window = false};

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  read_llama_config(c, kVariant);
  // What GGUF leaves out is the usual scale.
  const auto dim = c.config()["head_dim"].get<double>();
  c.positive("attention_multiplier", source.gguf ? 1 / std::sqrt(dim) : 1);
  c.positive("embedding_multiplier", 1);
  c.positive("residual_multiplier", 1);
  c.positive("logits_scaling", 1);
  c.flag("use_rope", true);
  return c.config();
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  const double scale = c["attention_multiplier"];
  const bool rotated = c["use_rope"];
  const LlamaParts parts = {.attention =
                                [&](DecoderBuilder&, int64_t, DecoderBuilder::Attention& shape) {
                                  shape.scale = scale;
                                  if (!rotated) shape.inv_freq = kNoValue;
                                },
                            .embedding_scale = c["embedding_multiplier"],
                            .residual_scale = c["residual_multiplier"],
                            .logit_scale = 1 / c["logits_scaling"].get<double>()};
  build_llama(c, source, options, graph, parts);
}

std::vector<ConfigKey> keys() {
  constexpr auto kFloat = ConfigKey::Type::kFloat;
  std::vector<ConfigKey> out = llama_keys();
  const ConfigKey own[] = {
      {"attention_multiplier", "attention_multiplier", "attention.scale", kFloat},
      {"embedding_multiplier", "embedding_multiplier", "embedding_scale", kFloat},
      {"residual_multiplier", "residual_multiplier", "residual_scale", kFloat},
      {"logits_scaling", "logits_scaling", "logit_scale", kFloat},
      // llama.cpp's switch for models without positions.
      {"use_rope", "use_rope", "rope.scaling.finetuned", ConfigKey::Type::kBool}};
  out.insert(out.end(), std::begin(own), std::end(own));
  return out;
}

}  // namespace model_granite

// Granite 3 (IBM, 2024): Llama with factors on embedding, scores, what layers add, and logits.
const ModelDef& granite_model() {
  using namespace model_granite;
  static const ModelDef model = {
      .name = "granite",
      .architectures = {"GraniteForCausalLM"},
      .keys = keys(),
      .ignored = usual_ignored(),
      .parse_config = parse,
      .weights = [](const Json& config) { return llama_weights(config, kVariant); },
      .build = build,
      .presets = {{"granite-3.1-8b",
                   R"({"architectures": ["GraniteForCausalLM"], "hidden_size": 4096,
                       "num_hidden_layers": 40, "num_attention_heads": 32,
                       "num_key_value_heads": 8, "intermediate_size": 12800,
                       "vocab_size": 49155, "max_position_embeddings": 131072,
                       "rms_norm_eps": 1e-5, "rope_theta": 10000000.0,
                       "tie_word_embeddings": true, "attention_multiplier": 0.0078125,
                       "embedding_multiplier": 12.0, "residual_multiplier": 0.22,
                       "logits_scaling": 16.0})",
                   8.17}}};
  return model;
}

}  // namespace ingot
