#include "models/contract/glm_family.h"

#include "models/contract/decoder.h"

namespace ingot {

std::vector<ConfigKey> glm_keys() {
  return with_rotary_keys({{"attention_bias", "attention_bias"}, {"norms_behind", "norms_behind"}});
}

Json read_glm_config(ConfigReader& c) {
  if (const auto& gguf = c.source().gguf) {
    c.override_with("norms_behind", gguf->contains("blk.0.post_attention_norm.weight"));
    c.override_with("attention_bias",
                    gguf->contains("blk.0.attn_q.bias") || gguf->contains("blk.0.attn_qkv.bias"));
  }
  c.decoder_sizes();
  c.heads();
  c.size("intermediate_size");
  c.epsilon("rms_norm_eps", 1.5625e-7);
  c.choice("hidden_act", "silu", {"silu"});
  c.flag("tie_word_embeddings", false);
  c.flag("attention_bias", false);
  c.flag("norms_behind", false);
  c.rope({.partial = true});
  return c.config();
}

std::vector<WeightName> glm_weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], vocab = c["vocab_size"];
  const int64_t inner = c["intermediate_size"];
  const int64_t q = c["num_attention_heads"].get<int64_t>() * c["head_dim"].get<int64_t>();
  const bool behind = c["norms_behind"];
  WeightNames names;
  names.matrix({"model.embed_tokens", "token_embd", "transformer.vocab_embedding"}, vocab, hidden);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("model.layers.", i);
    names.norm({"input_layernorm", "attn_norm", "input_layernorm"}, hidden, false);
    names.qkv_apart("self_attn.", {c["num_attention_heads"], c["num_key_value_heads"],
                                   c["head_dim"], hidden, c["attention_bias"].get<bool>()});
    names.matrix({"self_attn.o_proj", "attn_output", "attention.dense"}, hidden, q);
    if (behind) {
      names.norm({"post_self_attn_layernorm", "post_attention_norm", "post_attention_layernorm"},
                 hidden, false);
    }
    names.norm({"post_attention_layernorm", "ffn_norm", "post_layernorm"}, hidden, false);
    names.gate_up("mlp.gate_up_proj", "ffn_up", inner, hidden);
    names.matrix({"mlp.down_proj", "ffn_down", "mlp.proj"}, hidden, inner);
    if (behind) {
      names.norm({"post_mlp_layernorm", "post_ffw_norm", "post_feedforward_layernorm"}, hidden,
                 false);
    }
  }
  names.at({});
  names.norm({"model.norm", "output_norm", "transformer.ln_f"}, hidden, false);
  names.head(c);
  return names.take();
}

void build_glm(const Json& c, const WeightSource& source, const BuildOptions& options,
               Graph& graph) {
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph);
  const double epsilon = c["rms_norm_eps"];
  const bool behind = c["norms_behind"];
  DecoderBuilder::Attention attention = b.attention_of(c);
  attention.interleaved = true;
  attention.inv_freq = b.inverse_frequencies(read_rope_config(c, "config"), attention.head_dim);
  int x = b.embedding("model.embed_tokens.weight");
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = b.at_layer("model.layers.", i);
    const auto norm = [&](int value, const char* name) {
      return b.rms_norm(value, p + name + ".weight", epsilon);
    };
    int h = norm(x, "input_layernorm");
    h = b.linear(b.self_attention(h, p + "self_attn.", i, attention), p + "self_attn.o_proj", 1);
    x = b.residual(behind ? norm(h, "post_self_attn_layernorm") : h, x);
    h = norm(x, "post_attention_layernorm");
    h = b.gated_mlp(h, p + "mlp.gate_up_proj.gate", p + "mlp.gate_up_proj.up", "silu",
                    p + "mlp.down_proj");
    x = b.residual(behind ? norm(h, "post_mlp_layernorm") : h, x);
  }
  graph.set_origin("head");
  b.finish(x, "model.norm.weight", epsilon, head_weight(c, "model.embed_tokens"));
}

}  // namespace ingot
