#include "models/contract/llama_family.h"

namespace ingot {
namespace model_mixtral {

constexpr LlamaVariant kVariant = {.has_biases = false};

// llama.cpp calls it "llama": the count of experts tells it from one.
bool claims(const ModelSource& source) {
  return source.kind == ModelSourceKind::kGguf && source.architecture == "llama" && source.gguf &&
         source.gguf->get_int("llama.expert_count", 0) > 0;
}

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (source.kind == ModelSourceKind::kHuggingFace) {
    // null is as many as there are heads.
    if (!raw.contains("num_key_value_heads")) c.override_with("num_key_value_heads", 8);
    c.use_default("rms_norm_eps", 1e-5);
    c.use_default("rope_theta", 1e6);
    c.use_default("num_local_experts", 8);
    c.use_default("num_experts_per_tok", 2);
  }
  read_llama_config(c, kVariant);
  c.size("num_local_experts", 1024);
  c.experts_fit("num_local_experts");
  c.size("num_experts_per_tok", c.config()["num_local_experts"].get<int64_t>());
  return c.config();
}

constexpr const char* kRouter = "block_sparse_moe.gate";

WeightNames::Experts experts(const Json& c) {
  return {.hf = "block_sparse_moe.experts.",
          .gate = "w1",
          .up = "w3",
          .down = "w2",
          .count = c["num_local_experts"],
          .inner = c["intermediate_size"],
          .columns = c["hidden_size"]};
}

std::vector<WeightName> weights(const Json& c) {
  return llama_weights(c, kVariant, [&](WeightNames& names, int64_t) {
    names.matrix({kRouter, "ffn_gate_inp", "mlp.router"}, c["num_local_experts"], c["hidden_size"],
                 {.or_from_hf = "mlp.gate"});
    names.experts(experts(c));
  });
}

int mixture(DecoderBuilder& b, const Json& c, int x, int64_t layer) {
  return b.moe(x, fmt::format("model.layers.{}.", layer), kRouter, experts(c),
               {.k = c["num_experts_per_tok"]});
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  const LlamaParts parts = {
      .mlp = [&](DecoderBuilder& b, int x, int64_t layer) { return mixture(b, c, x, layer); }};
  build_llama(c, source, options, graph, parts);
}

std::vector<ConfigKey> keys() {
  constexpr auto kInt = ConfigKey::Type::kInt;
  std::vector<ConfigKey> out = llama_keys();
  out.push_back({"num_local_experts", "moe_num_experts", "expert_count", kInt, true});
  out.push_back({"num_experts_per_tok", "moe_top_k", "expert_used_count", kInt, true});
  return out;
}

}  // namespace model_mixtral

// Mixtral (Jiang et al., 2024): Mistral with a mixture of experts in place of every MLP.
const ModelDef& mixtral_model() {
  using namespace model_mixtral;
  static const ModelDef model = {
      .name = "mixtral",
      .architectures = {"MixtralForCausalLM"},
      .claims = claims,
      .keys = keys(),
      .ignored = usual_ignored(),
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"mixtral-8x7b",
                   R"({"architectures": ["MixtralForCausalLM"], "hidden_size": 4096,
                       "num_hidden_layers": 32, "num_attention_heads": 32,
                       "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000,
                       "max_position_embeddings": 32768, "rms_norm_eps": 1e-5,
                       "rope_theta": 1000000.0, "num_local_experts": 8,
                       "num_experts_per_tok": 2})",
                   46.7}}};
  return model;
}

}  // namespace ingot
