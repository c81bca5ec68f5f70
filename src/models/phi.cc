#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"

namespace ingot {
namespace model_phi {

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  c.also_called("max_position_embeddings", {"n_positions"});
  // A GGUF file without a number of dimensions rotates all.
  if (!source.gguf) c.use_default("partial_rotary_factor", 0.5);
  c.decoder_sizes();
  c.heads();
  c.size("intermediate_size");
  c.epsilon("layer_norm_eps", 1e-5);
  c.activation("hidden_act", "gelu_new");
  if (c.stated("qk_layernorm", false)) c.refuse("qk_layernorm", "false", "true");
  c.flag("tie_word_embeddings", false);
  c.rope({.partial = true});
  return c.config();
}

std::vector<WeightName> weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], heads = c["num_attention_heads"], dim = c["head_dim"],
                inner = c["intermediate_size"], vocab = c["vocab_size"];
  WeightNames names;
  names.matrix({"model.embed_tokens", "token_embd", "transformer.vocab_embedding"}, vocab, hidden);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("model.layers.", i);
    names.norm({"input_layernorm", "attn_norm", "input_layernorm"}, hidden, true);
    names.qkv_apart("self_attn.", {heads, c["num_key_value_heads"], dim, hidden, true});
    names.linear({"self_attn.dense", "attn_output", "attention.dense"}, hidden, heads * dim, true);
    names.linear({"mlp.fc1", "ffn_up", "mlp.fc"}, inner, hidden, true);
    names.linear({"mlp.fc2", "ffn_down", "mlp.proj"}, hidden, inner, true);
  }
  names.at({});
  names.norm({"model.final_layernorm", "output_norm", "transformer.ln_f"}, hidden, true);
  names.head(c);
  names.bias({"lm_head", "output", "lm_head"}, vocab);  // of a tied head too
  return names.take();
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph);
  const double epsilon = c["layer_norm_eps"];
  const std::string activation = c["hidden_act"];
  DecoderBuilder::Attention attention = b.attention_of(c);
  attention.inv_freq = b.inverse_frequencies(read_rope_config(c, "config"), attention.head_dim);
  int x = b.embedding("model.embed_tokens.weight");
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = b.at_layer("model.layers.", i);
    const int h = b.layer_norm(x, p + "input_layernorm", epsilon);
    const int attended =
        b.linear(b.self_attention(h, p + "self_attn.", i, attention), p + "self_attn.dense", 1);
    x = b.residual(attended, x);
    x = b.residual(b.mlp(h, p + "mlp.fc1", activation, p + "mlp.fc2"), x);
  }
  graph.set_origin("head");
  b.finish_layer_norm(x, "model.final_layernorm", epsilon, head_weight(c, "model.embed_tokens"));
}

}  // namespace model_phi

// Phi-1, Phi-1.5 and Phi-2 (Microsoft, 2023): one norm for attention and MLP side by side, a part
// of each head rotated, biases throughout.
const ModelDef& phi_model() {
  using namespace model_phi;
  static const ModelDef model = {
      .name = "phi",
      .architectures = {"PhiForCausalLM", "phi2"},
      .keys = with_rotary_keys({layer_norm_key("layer_norm_eps")}),
      .ignored = {"*.rotary_emb.inv_freq"},
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"phi-2",
                   R"({"architectures": ["PhiForCausalLM"], "hidden_size": 2560,
                       "num_hidden_layers": 32, "num_attention_heads": 32,
                       "intermediate_size": 10240, "max_position_embeddings": 2048,
                       "vocab_size": 51200, "partial_rotary_factor": 0.4,
                       "layer_norm_eps": 1e-5})",
                   2.78}}};
  return model;
}

}  // namespace ingot
