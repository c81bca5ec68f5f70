#include <cmath>

#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"

namespace ingot {
namespace model_gemma2 {

// null means no cap; what is not stated is Hugging Face's default, which llama.cpp shares.
double cap(ConfigReader& c, const Json& raw, const char* key, double fallback) {
  return c.zero_or(key, raw.contains(key) ? 0 : fallback);
}

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  c.decoder_sizes();
  c.use_default("head_dim", 256);
  const ConfigReader::Heads heads = c.heads();
  c.size("intermediate_size");
  c.epsilon("rms_norm_eps", 1e-6);
  c.also_called("hidden_activation", {"hidden_act"});
  c.activation("hidden_activation", "gelu_pytorch_tanh");
  c.flag("tie_word_embeddings", true);
  c.flag("attention_bias", false);
  c.size_or("sliding_window", 4096);
  c.local_layers([](int64_t i) { return i % 2 == 0; });
  cap(c, raw, "attn_logit_softcapping", 50);
  cap(c, raw, "final_logit_softcapping", 30);
  // GGUF does not state it: the model of 46 layers (27B) alone has another than head_dim.
  const bool largest = source.gguf && c.config()["num_hidden_layers"] == 46;
  const int64_t scalar =
      largest ? c.config()["hidden_size"].get<int64_t>() / heads.heads : heads.head_dim;
  c.positive("query_pre_attn_scalar", static_cast<double>(source.gguf ? scalar : 256));
  c.rope();
  return c.config();
}

std::vector<WeightName> weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], dim = c["head_dim"], inner = c["intermediate_size"];
  const int64_t q = c["num_attention_heads"].get<int64_t>() * dim;
  const int64_t kv = c["num_key_value_heads"].get<int64_t>() * dim;
  const int64_t vocab = c["vocab_size"];
  const bool bias = c["attention_bias"];
  // Hugging Face keeps norms as what is added to one; GGUF has the sum.
  const StoredAs norm = {.from_gguf = map_elements([](float w) { return w - 1; })};
  WeightNames names;
  names.matrix({"model.embed_tokens", "token_embd", "transformer.vocab_embedding"}, vocab, hidden);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("model.layers.", i);
    const TensorNames parts[] = {{"self_attn.q_proj", "attn_q", "attention.qkv"},
                                 {"self_attn.k_proj", "attn_k", "attention.qkv"},
                                 {"self_attn.v_proj", "attn_v", "attention.qkv"}};
    const int64_t rows[] = {q, kv, kv};
    names.norm({"input_layernorm", "attn_norm", "input_layernorm"}, hidden, false, norm);
    for (size_t k = 0; k < 3; ++k) names.matrix(parts[k], rows[k], hidden);
    for (size_t k = 0; k < 3 && bias; ++k) names.bias(parts[k], rows[k]);
    names.linear({"self_attn.o_proj", "attn_output", "attention.dense"}, hidden, q, bias);
    names.norm({"post_attention_layernorm", "post_attention_norm", "post_layernorm"}, hidden, false,
               norm);
    names.norm({"pre_feedforward_layernorm", "ffn_norm", "pre_feedforward_layernorm"}, hidden,
               false, norm);
    names.norm({"post_feedforward_layernorm", "post_ffw_norm", "post_feedforward_layernorm"},
               hidden, false, norm);
    names.matrix({"mlp.gate_proj", "ffn_gate", "mlp.fc"}, inner, hidden);
    names.matrix({"mlp.up_proj", "ffn_up", "mlp.gate"}, inner, hidden);
    names.matrix({"mlp.down_proj", "ffn_down", "mlp.proj"}, hidden, inner);
  }
  names.at({});
  names.norm({"model.norm", "output_norm", "transformer.ln_f"}, hidden, false, norm);
  if (!c["tie_word_embeddings"]) names.matrix({"lm_head", "output", "lm_head"}, vocab, hidden);
  return names.take();
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  const int64_t window = c["sliding_window"];
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph, cache_groups(c, window));
  DecoderBuilder::Attention full;
  full.heads = c["num_attention_heads"];
  full.kv_heads = c["num_key_value_heads"];
  full.head_dim = c["head_dim"];
  full.softcap = c["attn_logit_softcapping"];
  full.scale = 1 / std::sqrt(c["query_pre_attn_scalar"].get<double>());
  full.inv_freq = b.inverse_frequencies(read_rope_config(c, "config"), full.head_dim);
  DecoderBuilder::Attention local = full;
  local.group = "window";
  local.window = window;
  const std::string activation = c["hidden_activation"];
  const auto norm = [&](int x, const std::string& name) {
    return b.rms_norm(x, name + ".weight", c["rms_norm_eps"], 1);
  };
  const double hidden = c["hidden_size"];
  int x = b.scale(b.embedding("model.embed_tokens.weight"), std::sqrt(hidden));
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    graph.set_origin(fmt::format("layer {}", i));
    const std::string p = fmt::format("model.layers.{}.", i);
    int h = norm(x, p + "input_layernorm");
    const int q = b.linear(h, p + "self_attn.q_proj", 0);
    const int k = b.linear(h, p + "self_attn.k_proj", 0);
    const int v = b.linear(h, p + "self_attn.v_proj", 0);
    h = b.attention(q, k, v, i, is_local_layer(c, i) ? local : full);
    h = norm(b.linear(h, p + "self_attn.o_proj", 1), p + "post_attention_layernorm");
    x = b.residual(h, x);
    h = norm(x, p + "pre_feedforward_layernorm");
    h = b.gated_mlp(h, p + "mlp.gate_proj", p + "mlp.up_proj", activation, p + "mlp.down_proj");
    x = b.residual(norm(h, p + "post_feedforward_layernorm"), x);
  }
  graph.set_origin("head");
  const double softcap = c["final_logit_softcapping"];
  b.finish(
      x, [&](int rows) { return norm(rows, "model.norm"); },
      c["tie_word_embeddings"] ? "model.embed_tokens.weight" : "lm_head.weight",
      [&](int logits) { return softcap > 0 ? b.softcap(logits, softcap) : logits; });
}

}  // namespace model_gemma2

// Gemma 2 (Gemma Team, 2024): norms before and behind each half of a block, caps on scores and
// logits, windows on every second layer.
const ModelDef& gemma2_model() {
  using namespace model_gemma2;
  constexpr auto kInt = ConfigKey::Type::kInt, kFloat = ConfigKey::Type::kFloat;
  static const ModelDef model = {
      .name = "gemma2",
      .architectures = {"Gemma2ForCausalLM"},
      .keys = with_rotary_keys(
          {{"hidden_activation", "hidden_act"},
           {"attention_bias", "attention_bias"},
           {"layer_types", "layer_types"},
           {"sliding_window", "sliding_window", "attention.sliding_window", kInt},
           {"attn_logit_softcapping", "attn_logit_softcapping", "attn_logit_softcapping", kFloat},
           {"final_logit_softcapping", "final_logit_softcapping", "final_logit_softcapping",
            kFloat},
           {"query_pre_attn_scalar", "query_pre_attn_scalar"}}),
      .ignored = {"*.rotary_emb.inv_freq", "lm_head.weight"},
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"gemma-2-9b",
                   R"({"architectures": ["Gemma2ForCausalLM"], "hidden_size": 3584,
                       "num_hidden_layers": 42, "num_attention_heads": 16,
                       "num_key_value_heads": 8, "head_dim": 256, "intermediate_size": 14336,
                       "vocab_size": 256000, "max_position_embeddings": 8192,
                       "rms_norm_eps": 1e-6, "sliding_window": 4096, "rope_theta": 10000.0,
                       "query_pre_attn_scalar": 256, "attn_logit_softcapping": 50.0,
                       "final_logit_softcapping": 30.0})",
                   9.24}}};
  return model;
}

}  // namespace ingot
