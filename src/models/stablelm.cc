#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"

namespace ingot {
namespace model_stablelm {

// What a GGUF file says by its tensors.
void add_gguf_facts(const GgufFile& file, ConfigReader& c) {
  c.override_with("use_qkv_bias",
                  file.contains("blk.0.attn_q.bias") || file.contains("blk.0.attn_qkv.bias"));
  c.override_with("use_parallel_residual", !file.contains("blk.0.ffn_norm.weight"));
  c.override_with("qk_layernorm", file.contains("blk.0.attn_q_norm.weight"));
}

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (source.kind == ModelSourceKind::kHuggingFace) {
    // Keys of the first published configs, which the later class does not read.
    if (source.architecture == "StableLMEpochForCausalLM") {
      c.also_called("partial_rotary_factor", {"rope_pct"});
      c.also_called("layer_norm_eps", {"norm_eps"});
    }
    c.use_default("num_key_value_heads", 32);
  }
  if (source.gguf) {
    add_gguf_facts(*source.gguf, c);
  } else {
    c.use_default("partial_rotary_factor", 0.25);
  }
  c.decoder_sizes();
  c.heads();
  c.size("intermediate_size");
  c.epsilon("layer_norm_eps", 1e-5);
  c.activation("hidden_act", "silu");
  c.flag("tie_word_embeddings", false);
  c.flag("use_qkv_bias", false);
  c.flag("use_parallel_residual", false);
  c.flag("qk_layernorm", false);
  c.rope({.partial = true});
  return c.config();
}

// Of layer norms without bias, of each head of queries ("q") or keys ("k").
std::string head_norm(std::string_view which, int64_t head) {
  return fmt::format("self_attn.{}_layernorm.norms.{}", which, head);
}

void head_norm_names(std::string_view which, int64_t heads, int64_t dim, WeightNames& names) {
  for (int64_t h = 0; h < heads; ++h) {
    names.norm({head_norm(which, h), fmt::format("attn_{}_norm", which),
                fmt::format("attention.{}_layernorm", which)},
               dim, false, {.from_gguf = take_vector(h, {heads, dim})});
  }
}

std::vector<WeightName> weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], heads = c["num_attention_heads"], dim = c["head_dim"],
                inner = c["intermediate_size"], vocab = c["vocab_size"];
  WeightNames names;
  names.matrix({"model.embed_tokens", "token_embd", "transformer.vocab_embedding"}, vocab, hidden);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("model.layers.", i);
    names.norm({"input_layernorm", "attn_norm", "input_layernorm"}, hidden, true);
    names.qkv_apart("self_attn.",
                    {heads, c["num_key_value_heads"], dim, hidden, c["use_qkv_bias"]});
    if (c["qk_layernorm"]) {
      head_norm_names("q", heads, dim, names);
      head_norm_names("k", c["num_key_value_heads"], dim, names);
    }
    names.linear({"self_attn.o_proj", "attn_output", "attention.dense"}, hidden, heads * dim,
                 false);
    if (!c["use_parallel_residual"]) {
      names.norm({"post_attention_layernorm", "ffn_norm", "post_layernorm"}, hidden, true);
    }
    names.gated_mlp("mlp.", inner, hidden);
  }
  names.at({});
  names.norm({"model.norm", "output_norm", "transformer.ln_f"}, hidden, true);
  names.head(c);
  return names.take();
}

int attend(DecoderBuilder& b, int x, int64_t layer, const std::string& p, const Json& c,
           const DecoderBuilder::Attention& shape) {
  if (!c["qk_layernorm"]) return b.self_attention(x, p + "self_attn.", layer, shape);
  const auto normed = [&](std::string_view which, int64_t heads) {
    std::vector<std::string> weights;
    for (int64_t h = 0; h < heads; ++h) weights.push_back(p + head_norm(which, h) + ".weight");
    const int projected = b.linear(x, fmt::format("{}self_attn.{}_proj", p, which), 0);
    return b.layer_norm_of_heads(projected, weights, c["layer_norm_eps"]);
  };
  const int q = normed("q", shape.heads), k = normed("k", shape.kv_heads);
  return b.attention(q, k, b.linear(x, p + "self_attn.v_proj", 0), layer, shape);
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph);
  const double epsilon = c["layer_norm_eps"];
  const std::string activation = c["hidden_act"];
  const bool parallel = c["use_parallel_residual"];
  DecoderBuilder::Attention attention = b.attention_of(c);
  attention.inv_freq = b.inverse_frequencies(read_rope_config(c, "config"), attention.head_dim);
  int x = b.embedding("model.embed_tokens.weight");
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = b.at_layer("model.layers.", i);
    int h = b.layer_norm(x, p + "input_layernorm", epsilon);
    const int attended = attend(b, h, i, p, c, attention);
    x = b.residual(b.linear(attended, p + "self_attn.o_proj", 1), x);
    if (!parallel) h = b.layer_norm(x, p + "post_attention_layernorm", epsilon);
    h = b.gated_mlp(h, p + "mlp.", activation);
    x = b.residual(h, x);
  }
  graph.set_origin("head");
  b.finish_layer_norm(x, "model.norm", epsilon, head_weight(c, "model.embed_tokens"));
}

}  // namespace model_stablelm

// StableLM (Stability AI, 2023 and 2024): Llama's block with layer norms and a quarter of each head
// rotated; that of 12 billion parameters has attention and MLP side by side, and norms of heads.
const ModelDef& stablelm_model() {
  using namespace model_stablelm;
  static const ModelDef model = {
      .name = "stablelm",
      .architectures = {"StableLmForCausalLM", "StableLMEpochForCausalLM"},
      .keys = with_rotary_keys({layer_norm_key("layer_norm_eps"),
                                {"use_qkv_bias", "qkv_bias"},
                                {"use_parallel_residual", "use_parallel_residual"},
                                {"qk_layernorm", "qk_layernorm"}}),
      .ignored = usual_ignored(),
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"stablelm-3b",
                   R"({"architectures": ["StableLmForCausalLM"], "hidden_size": 2560,
                       "num_hidden_layers": 32, "num_attention_heads": 32,
                       "num_key_value_heads": 32, "intermediate_size": 6912,
                       "max_position_embeddings": 4096, "vocab_size": 50304,
                       "partial_rotary_factor": 0.25, "layer_norm_eps": 1e-5})",
                   2.80},
                  {"stablelm-2-12b",
                   R"({"architectures": ["StableLmForCausalLM"], "hidden_size": 5120,
                       "num_hidden_layers": 40, "num_attention_heads": 32,
                       "num_key_value_heads": 8, "intermediate_size": 13824,
                       "max_position_embeddings": 4096, "vocab_size": 100352,
                       "partial_rotary_factor": 0.25, "layer_norm_eps": 1e-5,
                       "use_parallel_residual": true, "qk_layernorm": true})",
                   12.14}}};
  return model;
}

}  // namespace ingot
