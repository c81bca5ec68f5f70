#include "base/log.h"
#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"

namespace ingot {
namespace model_starcoder2 {

// Parts that the first configs could name, and the class then dropped.
void refuse_other_parts(const ConfigReader& c) {
  const std::pair<const char*, const char*> kOnly[] = {{"norm_type", "layer_norm"},
                                                       {"mlp_type", "default"}};
  for (const auto& [key, only] : kOnly) {
    const auto found = c.stated<std::string>(key, only);
    if (found != only) c.refuse(key, only, fmt::format("'{}'", found));
  }
}

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (source.kind == ModelSourceKind::kHuggingFace) {
    c.use_default("num_key_value_heads", 2);
    refuse_other_parts(c);
  }
  if (source.gguf) {
    c.override_with("use_bias", source.gguf->contains("blk.0.attn_output.bias"));
    // llama.cpp's converter does not write it, and its graph has none.
    if (!c.has("sliding_window")) {
      spdlog::warn(
          "{}: no 'attention.sliding_window': attention sees all tokens (published "
          "models were trained with windows of 4096)",
          c.file());
    }
  }
  c.decoder_sizes();
  c.heads();
  c.size("intermediate_size");
  c.epsilon("norm_epsilon", 1e-5);
  c.activation("hidden_act", "gelu_pytorch_tanh");
  c.flag("tie_word_embeddings", true);
  c.flag("use_bias", true);
  c.sliding_window();
  c.rope();
  return c.config();
}

std::vector<WeightName> weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], heads = c["num_attention_heads"], dim = c["head_dim"],
                inner = c["intermediate_size"], vocab = c["vocab_size"];
  const bool bias = c["use_bias"];
  WeightNames names;
  names.matrix({"model.embed_tokens", "token_embd", "transformer.vocab_embedding"}, vocab, hidden);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("model.layers.", i);
    names.norm({"input_layernorm", "attn_norm", "input_layernorm"}, hidden, true);
    names.qkv_apart("self_attn.", {heads, c["num_key_value_heads"], dim, hidden, bias});
    names.linear({"self_attn.o_proj", "attn_output", "attention.dense"}, hidden, heads * dim, bias);
    names.norm({"post_attention_layernorm", "ffn_norm", "post_layernorm"}, hidden, true);
    names.linear({"mlp.c_fc", "ffn_up", "mlp.fc"}, inner, hidden, bias);
    names.linear({"mlp.c_proj", "ffn_down", "mlp.proj"}, hidden, inner, bias);
  }
  names.at({});
  names.norm({"model.norm", "output_norm", "transformer.ln_f"}, hidden, true);
  names.head(c);
  return names.take();
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph);
  const double epsilon = c["norm_epsilon"];
  const std::string activation = c["hidden_act"];
  DecoderBuilder::Attention attention = b.attention_of(c);
  attention.window = c["sliding_window"];
  attention.inv_freq = b.inverse_frequencies(read_rope_config(c, "config"), attention.head_dim);
  int x = b.embedding("model.embed_tokens.weight");
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = b.at_layer("model.layers.", i);
    int h = b.layer_norm(x, p + "input_layernorm", epsilon);
    h = b.self_attention(h, p + "self_attn.", i, attention);
    x = b.residual(b.linear(h, p + "self_attn.o_proj", 1), x);
    h = b.layer_norm(x, p + "post_attention_layernorm", epsilon);
    x = b.residual(b.mlp(h, p + "mlp.c_fc", activation, p + "mlp.c_proj"), x);
  }
  graph.set_origin("head");
  b.finish_layer_norm(x, "model.norm", epsilon, head_weight(c, "model.embed_tokens"));
}

}  // namespace model_starcoder2

// StarCoder2 (Lozhkov et al., 2024): grouped queries, a sliding window, layer norms, an MLP without
// a gate, biases throughout.
const ModelDef& starcoder2_model() {
  using namespace model_starcoder2;
  static const ModelDef model = {
      .name = "starcoder2",
      .architectures = {"Starcoder2ForCausalLM"},
      .keys = with_rotary_keys(
          {layer_norm_key("norm_epsilon"), {"use_bias", "bias"}, sliding_window_key()}),
      .ignored = usual_ignored(),
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"starcoder2-3b",
                   R"({"architectures": ["Starcoder2ForCausalLM"], "hidden_size": 3072,
                       "num_hidden_layers": 30, "num_attention_heads": 24,
                       "num_key_value_heads": 2, "intermediate_size": 12288,
                       "max_position_embeddings": 16384, "vocab_size": 49152,
                       "sliding_window": 4096, "rope_theta": 999999.4420358813})",
                   3.03}}};
  return model;
}

}  // namespace ingot
