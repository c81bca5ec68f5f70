#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"

namespace ingot {
namespace model_olmo2 {

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (source.gguf) {
    // Olmo 3 goes by the same name there.
    if (c.stated<int64_t>("sliding_window", 0) != 0) {
      c.refuse("attention.sliding_window", "0", "a window of attention");
    }
    c.override_with("attention_bias", source.gguf->contains("blk.0.attn_q.bias"));
  }
  c.decoder_sizes();
  c.heads();
  c.size("intermediate_size");
  c.epsilon("rms_norm_eps", 1e-5);
  c.activation("hidden_act", "silu");
  c.flag("tie_word_embeddings", false);
  c.flag("attention_bias", false);
  c.rope();
  return c.config();
}

std::vector<WeightName> weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], heads = c["num_attention_heads"],
                kv_heads = c["num_key_value_heads"], dim = c["head_dim"],
                inner = c["intermediate_size"], vocab = c["vocab_size"];
  const bool bias = c["attention_bias"];
  WeightNames names;
  names.matrix({"model.embed_tokens", "token_embd", "transformer.vocab_embedding"}, vocab, hidden);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("model.layers.", i);
    names.qkv_apart("self_attn.", {heads, kv_heads, dim, hidden, bias});
    names.norm({"self_attn.q_norm", "attn_q_norm", "attention.q_layernorm"}, heads * dim, false);
    names.norm({"self_attn.k_norm", "attn_k_norm", "attention.k_layernorm"}, kv_heads * dim, false);
    names.linear({"self_attn.o_proj", "attn_output", "attention.dense"}, hidden, heads * dim, bias);
    names.norm({"post_attention_layernorm", "post_attention_norm", "post_layernorm"}, hidden,
               false);
    names.gated_mlp("mlp.", inner, hidden);
    names.norm({"post_feedforward_layernorm", "post_ffw_norm", "post_feedforward_layernorm"},
               hidden, false);
  }
  names.at({});
  names.norm({"model.norm", "output_norm", "transformer.ln_f"}, hidden, false);
  names.head(c);
  return names.take();
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph);
  const double epsilon = c["rms_norm_eps"];
  const std::string activation = c["hidden_act"];
  DecoderBuilder::Attention attention = b.attention_of(c);
  attention.inv_freq = b.inverse_frequencies(read_rope_config(c, "config"), attention.head_dim);
  int x = b.embedding("model.embed_tokens.weight");
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = b.at_layer("model.layers.", i);
    const auto norm = [&](int value, const char* name) {
      return b.rms_norm(value, p + name, epsilon);
    };
    const int q = norm(b.linear(x, p + "self_attn.q_proj", 0), "self_attn.q_norm.weight");
    const int k = norm(b.linear(x, p + "self_attn.k_proj", 0), "self_attn.k_norm.weight");
    const int v = b.linear(x, p + "self_attn.v_proj", 0);
    int h = b.linear(b.attention(q, k, v, i, attention), p + "self_attn.o_proj", 1);
    x = b.residual(norm(h, "post_attention_layernorm.weight"), x);
    h = b.gated_mlp(x, p + "mlp.", activation);
    x = b.residual(norm(h, "post_feedforward_layernorm.weight"), x);
  }
  graph.set_origin("head");
  b.finish(x, "model.norm.weight", epsilon, head_weight(c, "model.embed_tokens"));
}

}  // namespace model_olmo2

// OLMo 2 (Allen Institute for AI, 2024): norms behind attention and MLP alone, and of all of query
// and key.
const ModelDef& olmo2_model() {
  using namespace model_olmo2;
  static const ModelDef model = {
      .name = "olmo2",
      .architectures = {"Olmo2ForCausalLM"},
      .keys = with_rotary_keys(
          {{"attention_bias", "attention_bias"},
           {"sliding_window", "", "attention.sliding_window", ConfigKey::Type::kInt}}),
      .ignored = usual_ignored(),
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"olmo-2-7b",
                   R"({"architectures": ["Olmo2ForCausalLM"], "hidden_size": 4096,
                       "num_hidden_layers": 32, "num_attention_heads": 32,
                       "num_key_value_heads": 32, "intermediate_size": 11008,
                       "max_position_embeddings": 4096, "vocab_size": 100352,
                       "rms_norm_eps": 1e-6, "rope_theta": 500000.0})",
                   7.30}}};
  return model;
}

}  // namespace ingot
