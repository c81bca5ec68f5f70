#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"

namespace ingot {
namespace model_bloom {

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  c.also_called("hidden_size", {"n_embed"});
  c.also_called("num_hidden_layers", {"n_layer"});
  c.also_called("num_attention_heads", {"n_head"});
  // Linear biases have no limit; this is what it was trained with.
  c.also_called("max_position_embeddings", {"seq_length"});
  c.use_default("max_position_embeddings", 2048);
  c.decoder_sizes();
  c.heads();
  c.size_or("intermediate_size", 4 * c.config()["hidden_size"].get<int64_t>());
  c.epsilon("layer_norm_epsilon", 1e-5);
  c.override_with("hidden_act", "gelu_tanh");
  c.activation("hidden_act", "gelu_tanh");
  c.flag("tie_word_embeddings", true);
  c.flag("apply_residual_connection_post_layernorm", false);
  return c.config();
}

std::vector<WeightName> weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], heads = c["num_attention_heads"], dim = c["head_dim"],
                inner = c["intermediate_size"], vocab = c["vocab_size"];
  WeightNames names;
  names.matrix({"word_embeddings", "token_embd", "transformer.vocab_embedding"}, vocab, hidden);
  names.norm({"word_embeddings_layernorm", "token_embd_norm", "transformer.ln_embed"}, hidden,
             true);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("h.", i);
    names.norm({"input_layernorm", "attn_norm", "input_layernorm"}, hidden, true);
    names.qkv("self_attention.query_key_value", "attn_qkv",
              {heads, heads, dim, hidden, true, WeightNames::Fused::kByKvHead});
    names.linear({"self_attention.dense", "attn_output", "attention.dense"}, hidden, heads * dim,
                 true);
    names.norm({"post_attention_layernorm", "ffn_norm", "post_layernorm"}, hidden, true);
    names.linear({"mlp.dense_h_to_4h", "ffn_up", "mlp.fc"}, inner, hidden, true);
    names.linear({"mlp.dense_4h_to_h", "ffn_down", "mlp.proj"}, hidden, inner, true);
  }
  names.at({});
  names.norm({"ln_f", "output_norm", "transformer.ln_f"}, hidden, true);
  names.head(c);
  return names.take();
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph);
  const double epsilon = c["layer_norm_epsilon"];
  const bool post = c["apply_residual_connection_post_layernorm"];
  DecoderBuilder::Attention attention;
  attention.heads = attention.kv_heads = c["num_attention_heads"];
  attention.head_dim = c["head_dim"];
  attention.slopes = b.alibi_slopes(attention.heads);
  int x = b.embedding("word_embeddings.weight");
  x = b.layer_norm(x, "word_embeddings_layernorm", epsilon);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = b.at_layer("h.", i);
    int normed = b.layer_norm(x, p + "input_layernorm", epsilon);
    int h = b.fused_attention(normed, p + "self_attention.query_key_value", i, attention);
    x = b.residual(b.linear(h, p + "self_attention.dense", 1), post ? normed : x);
    normed = b.layer_norm(x, p + "post_attention_layernorm", epsilon);
    h = b.mlp(normed, p + "mlp.dense_h_to_4h", "gelu_tanh", p + "mlp.dense_4h_to_h");
    x = b.residual(h, post ? normed : x);
  }
  graph.set_origin("head");
  b.finish_layer_norm(x, "ln_f", epsilon, head_weight(c, "word_embeddings"));
}

}  // namespace model_bloom

// BLOOM (BigScience, 2022): linear biases in attention, a norm behind the embedding.
const ModelDef& bloom_model() {
  using namespace model_bloom;
  static const ModelDef model = {
      .name = "bloom",
      .architectures = {"BloomForCausalLM"},
      .keys = {layer_norm_key("layer_norm_epsilon"),
               {"apply_residual_connection_post_layernorm",
                "apply_residual_connection_post_layernorm"}},
      .position_embeddings = {"alibi"},
      .hf_prefixes = {"transformer.", ""},
      .ignored = {"lm_head.weight"},
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"bloom-7b1",
                   R"({"architectures": ["BloomForCausalLM"], "n_embed": 4096, "n_layer": 30,
                       "num_attention_heads": 32, "seq_length": 2048, "vocab_size": 250880,
                       "layer_norm_epsilon": 1e-5})",
                   7.07}}};
  return model;
}

}  // namespace ingot
