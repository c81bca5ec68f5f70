#include "models/contract/gemma_family.h"

#include <cmath>

namespace ingot {
namespace {

// The graph of a Gemma while it is built.
class GemmaBuilder {
 public:
  GemmaBuilder(const Json& config, const GemmaVariant& variant, DecoderBuilder& b)
      : c_(config),
        variant_(variant),
        b_(b),
        epsilon_(config["rms_norm_eps"].get<double>()),
        full_(b.attention_of(config)) {
    full_.softcap = c_.value("attn_logit_softcapping", 0.0);
    const double scalar = c_.value("query_pre_attn_scalar", static_cast<double>(full_.head_dim));
    full_.scale = 1 / std::sqrt(scalar);
    const RopeConfig rope = read_rope_config(c_, "config");
    full_.inv_freq = b_.inverse_frequencies(rope, full_.head_dim);
    local_ = full_;
    if (!c_.contains("layer_types")) return;
    local_.group = "window";
    local_.window = c_["sliding_window"];
    if (!c_.contains("rope_local_base_freq")) return;
    RopeConfig near;
    near.theta = c_["rope_local_base_freq"];
    local_.inv_freq = b_.inverse_frequencies(near, full_.head_dim);
  }

  int norm(int x, const std::string& name) { return b_.rms_norm(x, name + ".weight", epsilon_, 1); }

  int layer(int x, int64_t i) {
    const std::string p = b_.at_layer("layers.", i);
    int h = norm(x, p + "input_layernorm");
    int q = b_.linear(h, p + "self_attn.q_proj", 0);
    int k = b_.linear(h, p + "self_attn.k_proj", 0);
    const int v = b_.linear(h, p + "self_attn.v_proj", 0);
    if (variant_.head_norms) {
      q = b_.head_norm(q, p + "self_attn.q_norm.weight", epsilon_, full_.head_dim, 1);
      k = b_.head_norm(k, p + "self_attn.k_norm.weight", epsilon_, full_.head_dim, 1);
    }
    const bool local = c_.contains("layer_types") && is_local_layer(c_, i);
    h = b_.linear(b_.attention(q, k, v, i, local ? local_ : full_), p + "self_attn.o_proj", 1);
    if (variant_.norms_behind) h = norm(h, p + "post_attention_layernorm");
    x = b_.residual(h, x);
    h = norm(
        x, p + (variant_.norms_behind ? "pre_feedforward_layernorm" : "post_attention_layernorm"));
    const std::string activation = c_["hidden_activation"];
    h = b_.gated_mlp(h, p + "mlp.", activation);
    return b_.residual(variant_.norms_behind ? norm(h, p + "post_feedforward_layernorm") : h, x);
  }

 private:
  const Json& c_;
  const GemmaVariant& variant_;
  DecoderBuilder& b_;
  double epsilon_;
  DecoderBuilder::Attention full_, local_;
};

}  // namespace

std::vector<std::string_view> gemma_prefixes() {
  return {"model.", "", "language_model.model.", "model.language_model.", "language_model."};
}

std::vector<ConfigKey> gemma_keys(std::vector<ConfigKey> own) {
  own.insert(own.begin(),
             {{"hidden_activation", "hidden_act"}, {"attention_bias", "attention_bias"}});
  return with_rotary_keys(std::move(own));
}

void read_gemma_config(ConfigReader& c) {
  c.decoder_sizes();
  c.heads();
  c.size("intermediate_size");
  c.epsilon("rms_norm_eps", 1e-6);
  c.activation("hidden_activation", "gelu_pytorch_tanh");
  c.flag("tie_word_embeddings", true);
  c.flag("attention_bias", false);
}

double gemma_cap(ConfigReader& c, const Json& raw, const char* key, double fallback) {
  return c.zero_or(key, raw.contains(key) ? 0 : fallback);
}

void gemma_query_scalar(ConfigReader& c, int64_t largest) {
  double scalar = 256;
  if (c.source().gguf) {
    const int64_t hidden = c.config()["hidden_size"], heads = c.config()["num_attention_heads"];
    const bool by_heads = c.config()["num_hidden_layers"] == largest;
    scalar = by_heads ? static_cast<double>(hidden / heads) : c.config()["head_dim"].get<double>();
  }
  c.positive("query_pre_attn_scalar", scalar);
}

std::vector<WeightName> gemma_weights(const Json& c, const GemmaVariant& variant) {
  const int64_t hidden = c["hidden_size"], heads = c["num_attention_heads"], dim = c["head_dim"],
                inner = c["intermediate_size"], vocab = c["vocab_size"];
  const bool bias = c["attention_bias"];
  // Hugging Face keeps norms as what is added to one; GGUF has the sum.
  const StoredAs norm = {.from_gguf = map_elements([](float w) { return w - 1; })};
  WeightNames names;
  const auto add_norm = [&](const TensorNames& name, int64_t size) {
    names.norm(name, size, false, norm);
  };
  names.matrix({"embed_tokens", "token_embd", "transformer.vocab_embedding"}, vocab, hidden);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("layers.", i);
    add_norm({"input_layernorm", "attn_norm", "input_layernorm"}, hidden);
    names.qkv_apart("self_attn.", {heads, c["num_key_value_heads"], dim, hidden, bias});
    names.linear({"self_attn.o_proj", "attn_output", "attention.dense"}, hidden, heads * dim, bias);
    if (variant.head_norms) {
      add_norm({"self_attn.q_norm", "attn_q_norm", "attention.q_layernorm"}, dim);
      add_norm({"self_attn.k_norm", "attn_k_norm", "attention.k_layernorm"}, dim);
    }
    const bool behind = variant.norms_behind;
    add_norm(
        {"post_attention_layernorm", behind ? "post_attention_norm" : "ffn_norm", "post_layernorm"},
        hidden);
    if (behind) {
      add_norm({"pre_feedforward_layernorm", "ffn_norm", "pre_feedforward_layernorm"}, hidden);
      add_norm({"post_feedforward_layernorm", "post_ffw_norm", "post_feedforward_layernorm"},
               hidden);
    }
    names.gated_mlp("mlp.", inner, hidden);
  }
  names.at({});
  add_norm({"norm", "output_norm", "transformer.ln_f"}, hidden);
  names.head(c);
  return names.take();
}

void build_gemma(const Json& c, const WeightSource& source, const BuildOptions& options,
                 Graph& graph, const GemmaVariant& variant) {
  const auto groups = c.contains("layer_types")
                          ? cache_groups(c, c["sliding_window"].get<int64_t>())
                          : std::vector<CacheGroup>{CacheGroup{}};
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph, groups);
  GemmaBuilder gemma(c, variant, b);
  const double hidden = c["hidden_size"];
  int x = b.scale(b.embedding("embed_tokens.weight"), std::sqrt(hidden));
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    x = gemma.layer(x, i);
  }
  graph.set_origin("head");
  const double softcap = c.value("final_logit_softcapping", 0.0);
  b.finish(
      x, [&](int rows) { return gemma.norm(rows, "norm"); }, head_weight(c, "embed_tokens"),
      [&](int logits) { return softcap > 0 ? b.softcap(logits, softcap) : logits; });
}

}  // namespace ingot
