#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"

namespace ingot {
namespace model_gptj {

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  c.refuse_gguf();
  c.also_called("hidden_size", {"n_embd"});
  c.also_called("num_hidden_layers", {"n_layer"});
  c.also_called("num_attention_heads", {"n_head"});
  c.also_called("max_position_embeddings", {"n_positions", "n_ctx"});
  c.also_called("intermediate_size", {"n_inner"});
  c.also_called("hidden_act", {"activation_function"});
  c.use_default("max_position_embeddings", 2048);
  c.decoder_sizes();
  const ConfigReader::Heads heads = c.heads();
  c.size_or("intermediate_size", 4 * c.config()["hidden_size"].get<int64_t>());
  c.epsilon("layer_norm_epsilon", 1e-5);
  c.activation("hidden_act", "gelu_new");
  if (!c.stated("rotary", true)) c.refuse("rotary", "true", "false");
  const int64_t rotated = c.size_or("rotary_dim", 64, heads.head_dim);
  if (rotated % 2 != 0) c.refuse("rotary_dim", "an even number", std::to_string(rotated));
  c.flag("tie_word_embeddings", false);
  return c.config();
}

std::vector<WeightName> weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], heads = c["num_attention_heads"], dim = c["head_dim"],
                inner = c["intermediate_size"], vocab = c["vocab_size"];
  WeightNames names;
  names.matrix({"wte", "token_embd", "transformer.vocab_embedding"}, vocab, hidden);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("h.", i);
    names.norm({"ln_1", "attn_norm", "input_layernorm"}, hidden, true);
    names.qkv_apart("attn.", {heads, heads, dim, hidden});
    names.linear({"attn.out_proj", "attn_output", "attention.dense"}, hidden, heads * dim, false);
    names.linear({"mlp.fc_in", "ffn_up", "mlp.fc"}, inner, hidden, true);
    names.linear({"mlp.fc_out", "ffn_down", "mlp.proj"}, hidden, inner, true);
  }
  names.at({});
  names.norm({"ln_f", "output_norm", "transformer.ln_f"}, hidden, true);
  names.head(c);
  names.bias({"lm_head", "output", "lm_head"}, vocab);  // of a tied head too
  return names.take();
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph);
  const double epsilon = c["layer_norm_epsilon"];
  const std::string activation = c["hidden_act"];
  DecoderBuilder::Attention attention;
  attention.heads = attention.kv_heads = c["num_attention_heads"];
  attention.head_dim = c["head_dim"];
  attention.interleaved = true;
  RopeConfig rope;
  rope.partial_rotary_factor =
      c["rotary_dim"].get<double>() / static_cast<double>(attention.head_dim);
  attention.inv_freq = b.inverse_frequencies(rope, attention.head_dim);
  int x = b.embedding("wte.weight");
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = b.at_layer("h.", i);
    const int h = b.layer_norm(x, p + "ln_1", epsilon);
    const int attended =
        b.linear(b.self_attention(h, p + "attn.", i, attention), p + "attn.out_proj", 1);
    x = b.residual(attended, x);
    x = b.residual(b.mlp(h, p + "mlp.fc_in", activation, p + "mlp.fc_out"), x);
  }
  graph.set_origin("head");
  b.finish_layer_norm(x, "ln_f", epsilon, head_weight(c, "wte"));
}

}  // namespace model_gptj

// GPT-J (Wang and Komatsuzaki, 2021): one norm for attention and MLP side by side, rotation of
// neighbouring dimensions of a part of each head.
const ModelDef& gptj_model() {
  using namespace model_gptj;
  static const ModelDef model = {
      .name = "gptj",
      .architectures = {"GPTJForCausalLM"},
      .keys = {layer_norm_key("layer_norm_epsilon"), {"rotary_dim", "rotary_dim"}},
      .position_embeddings = {"rope_gptj"},
      .hf_prefixes = {"transformer.", ""},
      .ignored = {"*h.*.attn.bias", "*h.*.attn.masked_bias"},
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"gpt-j-6b",
                   R"({"architectures": ["GPTJForCausalLM"], "n_embd": 4096, "n_layer": 28,
                       "n_head": 16, "n_positions": 2048, "rotary_dim": 64, "vocab_size": 50400,
                       "layer_norm_epsilon": 1e-5})",
                   6.05}}};
  return model;
}

}  // namespace ingot
