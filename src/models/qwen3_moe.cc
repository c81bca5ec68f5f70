#include <algorithm>

#include "models/contract/llama_family.h"

namespace ingot {
namespace model_qwen3_moe {

constexpr LlamaVariant kVariant = {
    .gguf_permuted = false, .window_by_layer = true, .head_norms = true};

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  c.also_called("num_experts", {"num_local_experts"});
  if (source.kind == ModelSourceKind::kHuggingFace) {
    c.use_default("num_experts", 128);
    c.use_default("num_experts_per_tok", 8);
    c.use_default("moe_intermediate_size", 768);
  }
  // llama.cpp normalises in this architecture without saying so.
  if (source.gguf) c.override_with("norm_topk_prob", true);
  read_llama_config(c, kVariant);
  c.switched_window();  // of all layers
  c.size("num_experts", 4096);
  c.experts_fit("num_experts");
  c.size("num_experts_per_tok", c.config()["num_experts"].get<int64_t>());
  c.size("moe_intermediate_size");
  c.flag("norm_topk_prob", false);
  c.size_or("decoder_sparse_step", 1);
  c.layer_set("mlp_only_layers");
  return c.config();
}

bool is_sparse(const Json& c, int64_t layer) {
  const auto dense = c["mlp_only_layers"].get<std::vector<int64_t>>();
  return std::find(dense.begin(), dense.end(), layer) == dense.end() &&
         (layer + 1) % c["decoder_sparse_step"].get<int64_t>() == 0;
}

WeightNames::Experts experts(const Json& c) {
  return {
      .count = c["num_experts"], .inner = c["moe_intermediate_size"], .columns = c["hidden_size"]};
}

std::vector<WeightName> weights(const Json& c) {
  return llama_weights(c, kVariant, [&](WeightNames& names, int64_t layer) {
    if (!is_sparse(c, layer)) return llama_mlp_names(c, names);
    names.matrix({"mlp.gate", "ffn_gate_inp", "mlp.router"}, c["num_experts"], c["hidden_size"]);
    names.experts(experts(c));
  });
}

int mixture(DecoderBuilder& b, const Json& c, int x, int64_t layer) {
  if (!is_sparse(c, layer)) return llama_mlp(b, x, layer);
  return b.moe(x, fmt::format("model.layers.{}.", layer), "mlp.gate", experts(c),
               {.k = c["num_experts_per_tok"], .normalise = c["norm_topk_prob"]});
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  const LlamaParts parts = {
      .mlp = [&](DecoderBuilder& b, int x, int64_t layer) { return mixture(b, c, x, layer); }};
  build_llama(c, source, options, graph, parts);
}

std::vector<ConfigKey> keys() {
  constexpr auto kInt = ConfigKey::Type::kInt;
  std::vector<ConfigKey> out = llama_keys();
  const ConfigKey own[] = {
      {"num_experts", "moe_num_experts", "expert_count", kInt, true},
      {"num_experts_per_tok", "moe_top_k", "expert_used_count", kInt, true},
      {"moe_intermediate_size", "moe_intermediate_size", "expert_feed_forward_length", kInt, true},
      {"norm_topk_prob", "moe_normalise"},
      {"decoder_sparse_step", "decoder_sparse_step"},
      {"mlp_only_layers", "mlp_only_layers"}};
  out.insert(out.end(), std::begin(own), std::end(own));
  return out;
}

}  // namespace model_qwen3_moe

// The mixtures among Qwen3 (Yang et al., 2025): Qwen3 with many small experts in most layers.
const ModelDef& qwen3_moe_model() {
  using namespace model_qwen3_moe;
  static const ModelDef model = {
      .name = "qwen3_moe",
      .architectures = {"Qwen3MoeForCausalLM", "qwen3moe"},
      .keys = keys(),
      .ignored = usual_ignored(),
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"qwen3-30b-a3b",
                   R"({"architectures": ["Qwen3MoeForCausalLM"], "hidden_size": 2048,
                       "num_hidden_layers": 48, "num_attention_heads": 32,
                       "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 6144,
                       "moe_intermediate_size": 768, "num_experts": 128,
                       "num_experts_per_tok": 8, "norm_topk_prob": true, "vocab_size": 151936,
                       "max_position_embeddings": 40960, "rms_norm_eps": 1e-6,
                       "rope_theta": 1000000.0, "tie_word_embeddings": false})",
                   30.53}}};
  return model;
}

}  // namespace ingot
