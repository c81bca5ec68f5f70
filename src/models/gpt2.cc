#include <cmath>

#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"

namespace ingot {
namespace model_gpt2 {

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  c.also_called("hidden_size", {"n_embd"});
  c.also_called("num_hidden_layers", {"n_layer"});
  c.also_called("num_attention_heads", {"n_head"});
  c.also_called("max_position_embeddings", {"n_positions", "n_ctx"});
  c.also_called("intermediate_size", {"n_inner"});
  c.also_called("hidden_act", {"activation_function"});
  c.decoder_sizes();
  c.heads();
  c.size_or("intermediate_size", 4 * c.config()["hidden_size"].get<int64_t>());
  c.epsilon("layer_norm_epsilon", 1e-5);
  c.activation("hidden_act", "gelu_new");
  c.flag("tie_word_embeddings", true);
  c.flag("scale_attn_weights", true);
  c.flag("scale_attn_by_inverse_layer_idx", false);
  if (c.stated("add_cross_attention", false)) c.refuse("add_cross_attention", "false", "true");
  return c.config();
}

std::vector<WeightName> weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], heads = c["num_attention_heads"], dim = c["head_dim"],
                inner = c["intermediate_size"], vocab = c["vocab_size"];
  WeightNames names;
  names.matrix({"wte", "token_embd", "transformer.vocab_embedding"}, vocab, hidden);
  names.positions("wpe", "position_embd", c["max_position_embeddings"], hidden);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("h.", i);
    names.norm({"ln_1", "attn_norm", "input_layernorm"}, hidden, true);
    names.qkv("attn.c_attn", "attn_qkv",
              {heads, heads, dim, hidden, true, WeightNames::Fused::kTransposed});
    names.transposed_linear({"attn.c_proj", "attn_output", "attention.dense"}, hidden, heads * dim,
                            true);
    names.norm({"ln_2", "ffn_norm", "post_layernorm"}, hidden, true);
    names.transposed_linear({"mlp.c_fc", "ffn_up", "mlp.fc"}, inner, hidden, true);
    names.transposed_linear({"mlp.c_proj", "ffn_down", "mlp.proj"}, hidden, inner, true);
  }
  names.at({});
  names.norm({"ln_f", "output_norm", "transformer.ln_f"}, hidden, true);
  names.head(c);
  return names.take();
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph);
  const double epsilon = c["layer_norm_epsilon"];
  const std::string activation = c["hidden_act"];
  DecoderBuilder::Attention attention;
  attention.heads = attention.kv_heads = c["num_attention_heads"];
  attention.head_dim = c["head_dim"];
  const double scale =
      c["scale_attn_weights"] ? 1 / std::sqrt(static_cast<double>(attention.head_dim)) : 1.0;
  int x = b.add_positions(b.embedding("wte.weight"), "wpe.weight");
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = b.at_layer("h.", i);
    const bool by_layer = c["scale_attn_by_inverse_layer_idx"];
    attention.scale = by_layer ? scale / static_cast<double>(i + 1) : scale;
    int h = b.layer_norm(x, p + "ln_1", epsilon);
    h = b.fused_attention(h, p + "attn.c_attn", i, attention);
    x = b.residual(b.linear(h, p + "attn.c_proj", 1), x);
    h = b.layer_norm(x, p + "ln_2", epsilon);
    x = b.residual(b.mlp(h, p + "mlp.c_fc", activation, p + "mlp.c_proj"), x);
  }
  graph.set_origin("head");
  b.finish_layer_norm(x, "ln_f", epsilon, head_weight(c, "wte"));
}

}  // namespace model_gpt2

// GPT-2 (Radford et al., 2019): layer norms, learned positions, matrices kept as [in, out].
const ModelDef& gpt2_model() {
  using namespace model_gpt2;
  static const ModelDef model = {
      .name = "gpt2",
      .architectures = {"GPT2LMHeadModel"},
      .keys = {layer_norm_key("layer_norm_epsilon"),
               {"scale_attn_weights", "scale_attn_weights"},
               {"scale_attn_by_inverse_layer_idx", "scale_attn_by_inverse_layer_idx"}},
      .position_embeddings = {"learned_absolute"},
      .hf_prefixes = {"transformer.", ""},
      .ignored = {"*h.*.attn.bias", "*h.*.attn.masked_bias", "lm_head.weight"},
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"gpt2",
                   R"({"architectures": ["GPT2LMHeadModel"], "n_embd": 768, "n_layer": 12,
                       "n_head": 12, "n_positions": 1024, "vocab_size": 50257,
                       "layer_norm_epsilon": 1e-5})",
                   0.124}}};
  return model;
}

}  // namespace ingot
