#include "models/contract/llama_family.h"

namespace ingot {
namespace {

constexpr const char* kRotaryDivisors = "rotary_divisors";

// What a GGUF file says by its tensors.
void add_gguf_facts(const GgufFile& file, ConfigReader& c) {
  c.override_with("attention_bias", file.contains("blk.0.attn_q.bias"));
  c.override_with("mlp_bias", file.contains("blk.0.ffn_gate.bias"));
}

}  // namespace

std::vector<ConfigKey> llama_keys() {
  return with_rotary_keys(
      {{"attention_bias", "attention_bias"}, {"mlp_bias", "mlp_bias"}, sliding_window_key()});
}

Json parse_llama_config(const ModelSource& source, Json raw, const LlamaVariant& variant) {
  ConfigReader c(source, std::move(raw));
  read_llama_config(c, variant);
  return c.config();
}

void read_llama_config(ConfigReader& c, const LlamaVariant& variant) {
  const ModelSource& source = c.source();
  if (source.kind == ModelSourceKind::kGguf) add_gguf_facts(*source.gguf, c);
  c.decoder_sizes();
  c.heads();
  c.size("intermediate_size");
  c.epsilon("rms_norm_eps", 1e-6);
  c.flag("tie_word_embeddings", false);
  if (source.kind == ModelSourceKind::kHuggingFace && !variant.has_biases) {
    for (const char* key : {"attention_bias", "mlp_bias"}) c.override_with(key, false);
  }
  if (variant.qkv_bias) c.override_with("attention_bias", true);
  c.flag("attention_bias", false);
  c.flag("mlp_bias", false);
  if (c.stated<std::string>("hidden_act", "") == "swish") c.override_with("hidden_act", "silu");
  c.choice("hidden_act", "silu", {"silu"});
  if (source.kind == ModelSourceKind::kHuggingFace && !variant.has_window) {
    c.override_with("sliding_window", nullptr);
  }
  if (!variant.window_by_layer) c.sliding_window();
  c.rope({.types = {"default", "linear", "llama3", "dynamic", "yarn"}});
}

void llama_mlp_names(const Json& config, WeightNames& names) {
  const auto hidden = config["hidden_size"].get<int64_t>();
  const auto inner = config["intermediate_size"].get<int64_t>();
  names.gated_mlp("mlp.", inner, hidden, config["mlp_bias"].get<bool>());
}

std::vector<WeightName> llama_weights(const Json& config, const LlamaVariant& variant) {
  return llama_weights(config, variant,
                       [&](WeightNames& names, int64_t) { llama_mlp_names(config, names); });
}

std::vector<WeightName> llama_weights(const Json& config, const LlamaVariant& variant,
                                      LlamaMlpNames mlp) {
  const auto hidden = config["hidden_size"].get<int64_t>();
  const auto heads = config["num_attention_heads"].get<int64_t>();
  const auto kv_heads = config["num_key_value_heads"].get<int64_t>();
  const auto dim = config["head_dim"].get<int64_t>();
  const auto vocab = config["vocab_size"].get<int64_t>();
  const bool attention_bias = config["attention_bias"].get<bool>();
  const auto permuted = [&](int64_t of_heads) {
    return StoredAs{.from_gguf = unpermute_heads(variant.gguf_permuted ? of_heads : 0)};
  };
  WeightNames names;
  names.matrix({"model.embed_tokens", "token_embd", "transformer.vocab_embedding"}, vocab, hidden);
  names.rotary_divisors(kRotaryDivisors, dim / 2);
  for (int64_t i = 0; i < config["num_hidden_layers"].get<int64_t>(); ++i) {
    names.at_layer("model.layers.", i);
    names.norm({"input_layernorm", "attn_norm", "input_layernorm"}, hidden, false);
    const TensorNames q = {"self_attn.q_proj", "attn_q", "attention.qkv"};
    const TensorNames k = {"self_attn.k_proj", "attn_k", "attention.qkv"};
    const TensorNames v = {"self_attn.v_proj", "attn_v", "attention.qkv"};
    names.matrix(q, heads * dim, hidden, permuted(heads));
    names.matrix(k, kv_heads * dim, hidden, permuted(kv_heads));
    names.matrix(v, kv_heads * dim, hidden);
    if (attention_bias) {
      names.bias(q, heads * dim, permuted(heads));
      names.bias(k, kv_heads * dim, permuted(kv_heads));
      names.bias(v, kv_heads * dim);
    }
    names.linear({"self_attn.o_proj", "attn_output", "attention.dense"}, hidden, heads * dim,
                 attention_bias && !variant.qkv_bias);
    if (variant.head_norms) {
      names.norm({"self_attn.q_norm", "attn_q_norm", "attention.q_layernorm"}, dim, false);
      names.norm({"self_attn.k_norm", "attn_k_norm", "attention.k_layernorm"}, dim, false);
    }
    names.norm({"post_attention_layernorm", "ffn_norm", "post_layernorm"}, hidden, false);
    mlp(names, i);
  }
  names.at({});
  names.norm({"model.norm", "output_norm", "transformer.ln_f"}, hidden, false);
  names.head(config);
  return names.take();
}

int llama_mlp(DecoderBuilder& b, int x, int64_t layer) {
  return b.gated_mlp(x, fmt::format("model.layers.{}.mlp.", layer), "silu");
}

void build_llama(const Json& config, const WeightSource& weights, const BuildOptions& options,
                 Graph& graph) {
  build_llama(config, weights, options, graph, {});
}

void build_llama(const Json& config, const WeightSource& weights, const BuildOptions& options,
                 Graph& graph, const LlamaParts& parts) {
  const auto window = config["sliding_window"].get<int64_t>();
  const bool by_layer = config.contains("layer_types");
  DecoderBuilder b(weights, options, config["max_position_embeddings"].get<int64_t>(), graph,
                   by_layer ? cache_groups(config, window) : std::vector<CacheGroup>{CacheGroup{}});
  const auto epsilon = config["rms_norm_eps"].get<double>();
  DecoderBuilder::Attention plain = b.attention_of(config);
  const RopeConfig rope = read_rope_config(config, "config");
  plain.rope_scale = b.rope_scale(rope);
  plain.inv_freq = b.inverse_frequencies(rope, plain.head_dim,
                                         b.numbers(std::string(kRotaryDivisors) + ".weight"));
  const auto scaled = [&](int x, double factor) { return factor == 1 ? x : b.scale(x, factor); };
  int x = scaled(b.embedding("model.embed_tokens.weight"), parts.embedding_scale);
  for (int64_t i = 0; i < config["num_hidden_layers"].get<int64_t>(); ++i) {
    const std::string p = b.at_layer("model.layers.", i);
    DecoderBuilder::Attention attention = plain;
    if (!by_layer) attention.window = window;
    if (by_layer && is_local_layer(config, i)) {
      attention.group = "window";
      attention.window = window;
    }
    if (parts.attention) parts.attention(b, i, attention);
    int h = b.rms_norm(x, p + "input_layernorm.weight", epsilon);
    int q = b.linear(h, p + "self_attn.q_proj", 0);
    int k = b.linear(h, p + "self_attn.k_proj", 0);
    const int v = b.linear(h, p + "self_attn.v_proj", 0);
    if (b.has(p + "self_attn.q_norm.weight")) {
      q = b.head_norm(q, p + "self_attn.q_norm.weight", epsilon, attention.head_dim);
      k = b.head_norm(k, p + "self_attn.k_norm.weight", epsilon, attention.head_dim);
    }
    h = b.linear(b.attention(q, k, v, i, attention), p + "self_attn.o_proj", 1);
    x = b.residual(scaled(h, parts.residual_scale), x);
    h = b.rms_norm(x, p + "post_attention_layernorm.weight", epsilon);
    h = parts.mlp ? parts.mlp(b, h, i) : llama_mlp(b, h, i);
    x = b.residual(scaled(h, parts.residual_scale), x);
  }
  graph.set_origin("head");
  b.finish(
      x, [&](int rows) { return b.rms_norm(rows, "model.norm.weight", epsilon); },
      head_weight(config, "model.embed_tokens"),
      [&](int logits) { return scaled(logits, parts.logit_scale); });
}

}  // namespace ingot
