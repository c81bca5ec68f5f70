#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"

namespace ingot {
namespace model_gpt_neox {

// The class reads the rotation under names of its own, or in rope_parameters.
void add_hf_rotation(ConfigReader& c) {
  c.override_with("rope_theta", c.stated("rotary_emb_base", 10000.0));
  c.override_with("partial_rotary_factor", c.stated("rotary_pct", 0.25));
}

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (source.kind == ModelSourceKind::kHuggingFace) add_hf_rotation(c);
  if (source.gguf) {
    c.override_with("attention_bias", source.gguf->contains("blk.0.attn_qkv.bias"));
  }
  c.decoder_sizes();
  c.heads();
  c.size("intermediate_size");
  c.epsilon("layer_norm_eps", 1e-5);
  c.activation("hidden_act", "gelu");
  c.flag("tie_word_embeddings", false);
  c.flag("attention_bias", true);
  c.flag("use_parallel_residual", true);
  c.rope({.partial = true});
  return c.config();
}

std::vector<WeightName> weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], heads = c["num_attention_heads"], dim = c["head_dim"],
                inner = c["intermediate_size"], vocab = c["vocab_size"];
  const bool bias = c["attention_bias"];
  WeightNames names;
  names.matrix({"embed_in", "token_embd", "transformer.vocab_embedding"}, vocab, hidden);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("layers.", i);
    names.norm({"input_layernorm", "attn_norm", "input_layernorm"}, hidden, true);
    names.qkv("attention.query_key_value", "attn_qkv",
              {heads, heads, dim, hidden, bias, WeightNames::Fused::kByKvHead});
    names.linear({"attention.dense", "attn_output", "attention.dense"}, hidden, heads * dim, bias);
    names.norm({"post_attention_layernorm", "ffn_norm", "post_layernorm"}, hidden, true);
    names.linear({"mlp.dense_h_to_4h", "ffn_up", "mlp.fc"}, inner, hidden, true);
    names.linear({"mlp.dense_4h_to_h", "ffn_down", "mlp.proj"}, hidden, inner, true);
  }
  names.at({});
  names.norm({"final_layer_norm", "output_norm", "transformer.ln_f"}, hidden, true);
  names.head(c, "embed_out", {.or_from_hf = "lm_head"});
  return names.take();
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph);
  const double epsilon = c["layer_norm_eps"];
  const std::string activation = c["hidden_act"];
  const bool parallel = c["use_parallel_residual"];
  DecoderBuilder::Attention attention;
  attention.heads = attention.kv_heads = c["num_attention_heads"];
  attention.head_dim = c["head_dim"];
  attention.inv_freq = b.inverse_frequencies(read_rope_config(c, "config"), attention.head_dim);
  int x = b.embedding("embed_in.weight");
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = b.at_layer("layers.", i);
    const int h = b.layer_norm(x, p + "input_layernorm", epsilon);
    const int attended =
        b.linear(b.fused_attention(h, p + "attention.query_key_value", i, attention),
                 p + "attention.dense", 1);
    const int behind = b.residual(attended, x);
    const int to_mlp = b.layer_norm(parallel ? x : behind, p + "post_attention_layernorm", epsilon);
    x = b.residual(b.mlp(to_mlp, p + "mlp.dense_h_to_4h", activation, p + "mlp.dense_4h_to_h"),
                   behind);
  }
  graph.set_origin("head");
  b.finish_layer_norm(x, "final_layer_norm", epsilon, head_weight(c, "embed_in", "embed_out"));
}

}  // namespace model_gpt_neox

// GPT-NeoX (Black et al., 2022) and Pythia: attention and MLP side by side with a norm each, or one
// after the other; a quarter of each head is rotated.
const ModelDef& gpt_neox_model() {
  using namespace model_gpt_neox;
  static const ModelDef model = {
      .name = "gpt_neox",
      .architectures = {"GPTNeoXForCausalLM", "gptneox"},
      .keys = with_rotary_keys({layer_norm_key("layer_norm_eps"),
                                {"attention_bias", "attention_bias"},
                                {"use_parallel_residual", "use_parallel_residual",
                                 "use_parallel_residual", ConfigKey::Type::kBool}}),
      .hf_prefixes = {"gpt_neox.", ""},
      .ignored = {"*.attention.bias", "*.attention.masked_bias", "*.rotary_emb.inv_freq",
                  "embed_out.weight", "lm_head.weight"},
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"gpt-neox-20b",
                   R"({"architectures": ["GPTNeoXForCausalLM"], "hidden_size": 6144,
                       "num_hidden_layers": 44, "num_attention_heads": 64,
                       "intermediate_size": 24576, "max_position_embeddings": 2048,
                       "vocab_size": 50432, "hidden_act": "gelu_fast", "rotary_pct": 0.25,
                       "rotary_emb_base": 10000, "layer_norm_eps": 1e-5})",
                   20.55}}};
  return model;
}

}  // namespace ingot
