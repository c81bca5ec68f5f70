#include <cmath>

#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"

namespace ingot {
namespace model_falcon {

// Hugging Face's flags in terms of what they mean.
void add_hf_facts(ConfigReader& c) {
  c.also_called("num_hidden_layers", {"n_layer"});
  c.also_called("num_attention_heads", {"n_head"});
  c.also_called("hidden_size", {"n_embed"});
  c.also_called("intermediate_size", {"ffn_hidden_size"});
  c.also_called("hidden_act", {"activation"});
  c.also_called("num_kv_heads", {"n_head_kv"});
  c.use_default("max_position_embeddings", 2048);
  // The first published 40B has one layout and no key for it; the 7B is "RefinedWebModel".
  if (c.stated<std::string>("model_type", "") == "RefinedWeb") {
    c.use_default("new_decoder_architecture", true);
  }
  const bool grouped = c.stated("new_decoder_architecture", false);
  const auto heads = c.stated<int64_t>("num_attention_heads", 0);
  const int64_t alone = c.stated("multi_query", true) ? 1 : heads;
  c.override_with("num_key_value_heads",
                  grouped ? c.stated<int64_t>("num_kv_heads", heads) : alone);
  const auto norms = c.stated<int64_t>("num_ln_in_parallel_attn", grouped ? 2 : 1);
  c.override_with("two_norms", grouped && norms == 2);
  if (grouped) c.override_with("parallel_attn", true);
  const bool alibi = c.stated("alibi", false);
  c.override_with("position_embedding_type", alibi ? "alibi" : "rope_gpt_neox");
}

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (source.kind == ModelSourceKind::kHuggingFace) add_hf_facts(c);
  if (source.gguf) c.override_with("two_norms", source.gguf->contains("blk.0.attn_norm_2.weight"));
  c.decoder_sizes();
  c.heads();
  c.size_or("intermediate_size", 4 * c.config()["hidden_size"].get<int64_t>());
  c.epsilon("layer_norm_epsilon", 1e-5);
  c.activation("hidden_act", "gelu");
  c.flag("tie_word_embeddings", true);
  c.flag("bias", false);
  c.flag("two_norms", false);
  c.flag("parallel_attn", true);
  c.choice("position_embedding_type", "rope_gpt_neox", {"rope_gpt_neox", "alibi"});
  c.rope();
  return c.config();
}

std::vector<WeightName> weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], heads = c["num_attention_heads"], dim = c["head_dim"],
                inner = c["intermediate_size"], vocab = c["vocab_size"];
  const bool bias = c["bias"], parallel = c["parallel_attn"];
  WeightNames names;
  names.matrix({"word_embeddings", "token_embd", "transformer.vocab_embedding"}, vocab, hidden);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("h.", i);
    if (c["two_norms"]) {
      names.norm({"ln_attn", "attn_norm_2", "input_layernorm"}, hidden, true);
      names.norm({"ln_mlp", "attn_norm", "mlp_layernorm"}, hidden, true);
    } else {
      names.norm({"input_layernorm", "attn_norm", "input_layernorm"}, hidden, true);
    }
    names.qkv("self_attention.query_key_value", "attn_qkv",
              {heads, c["num_key_value_heads"], dim, hidden, bias, WeightNames::Fused::kByKvHead});
    names.linear({"self_attention.dense", "attn_output", "attention.dense"}, hidden, heads * dim,
                 bias);
    if (!parallel) {
      names.norm({"post_attention_layernorm", "ffn_norm", "post_layernorm"}, hidden, true);
    }
    names.linear({"mlp.dense_h_to_4h", "ffn_up", "mlp.fc"}, inner, hidden, bias);
    names.linear({"mlp.dense_4h_to_h", "ffn_down", "mlp.proj"}, hidden, inner, bias);
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
  const bool two_norms = c["two_norms"], parallel = c["parallel_attn"];
  DecoderBuilder::Attention attention = b.attention_of(c);
  if (c["position_embedding_type"] == "alibi") {
    // The biases are added before the scores are scaled.
    const double scale = 1 / std::sqrt(static_cast<double>(attention.head_dim));
    attention.slopes = b.alibi_slopes(attention.heads, 8, scale);
  } else {
    attention.inv_freq = b.inverse_frequencies(read_rope_config(c, "config"), attention.head_dim);
  }
  int x = b.embedding("word_embeddings.weight");
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = b.at_layer("h.", i);
    const int h = b.layer_norm(x, p + (two_norms ? "ln_attn" : "input_layernorm"), epsilon);
    const int attended =
        b.linear(b.fused_attention(h, p + "self_attention.query_key_value", i, attention),
                 p + "self_attention.dense", 1);
    int to_mlp = two_norms ? b.layer_norm(x, p + "ln_mlp", epsilon) : h;
    x = b.residual(attended, x);
    if (!parallel) to_mlp = b.layer_norm(x, p + "post_attention_layernorm", epsilon);
    x = b.residual(b.mlp(to_mlp, p + "mlp.dense_h_to_4h", activation, p + "mlp.dense_4h_to_h"), x);
  }
  graph.set_origin("head");
  b.finish_layer_norm(x, "ln_f", epsilon, head_weight(c, "word_embeddings"));
}

}  // namespace model_falcon

// Falcon (Almazrouei et al., 2023) in its three layouts: one KV head (7B), groups of heads with a
// norm each for attention and MLP (40B, 180B) or one (11B), and every head its own (RW, with
// linear biases).
const ModelDef& falcon_model() {
  using namespace model_falcon;
  static const ModelDef model = {
      .name = "falcon",
      .architectures = {"FalconForCausalLM", "RWForCausalLM"},
      .keys = with_rotary_keys({layer_norm_key("layer_norm_epsilon"),
                                {"position_embedding_type", "position_embedding_type"},
                                {"two_norms", "two_norms"},
                                {"parallel_attn", "parallel_attention"},
                                {"bias", "bias"}}),
      .position_embeddings = {"rope_gpt_neox", "alibi"},
      .hf_prefixes = {"transformer.", ""},
      .ignored = {"*.rotary_emb.inv_freq", "*.maybe_rotary.inv_freq", "lm_head.weight"},
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"falcon-7b",
                   R"({"architectures": ["FalconForCausalLM"], "hidden_size": 4544,
                       "num_hidden_layers": 32, "num_attention_heads": 71, "multi_query": true,
                       "parallel_attn": true, "vocab_size": 65024, "layer_norm_epsilon": 1e-5})",
                   6.92}}};
  return model;
}

}  // namespace ingot
