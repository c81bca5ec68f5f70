#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"
#include "tensor/tensor_view.h"

namespace ingot {
namespace model_phi3 {

std::vector<float> floats_of(const GgufFile& file, const std::string& name) {
  const WeightInfo& info = file.require(name);
  std::vector<float> out(static_cast<size_t>(info.elements()));
  const TensorView view{info.type, {info.elements()}, const_cast<std::byte*>(info.bytes.data())};
  load_row(view, 0, 0, info.elements(), out.data());
  return out;
}

// llama.cpp keeps the factors of longrope as tensors.
void add_gguf_long_rotation(const GgufFile& file, ConfigReader& c) {
  if (!file.contains("rope_factors_long.weight")) return;
  const std::string prefix = fmt::format("{}.rope.scaling.", file.architecture());
  c.override_with("rope_scaling", {{"rope_type", "longrope"},
                                   {"original_max_position_embeddings",
                                    file.require_int(prefix + "original_context_length")},
                                   {"attention_factor", file.get_float(prefix + "attn_factor", 1)},
                                   {"short_factor", floats_of(file, "rope_factors_short.weight")},
                                   {"long_factor", floats_of(file, "rope_factors_long.weight")}});
}

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (source.kind == ModelSourceKind::kHuggingFace) {
    c.use_default("max_position_embeddings", 4096);
    c.use_default("original_max_position_embeddings", 4096);
    for (const char* key : {"attention_bias", "mlp_bias", "lm_head_bias"}) {
      if (c.stated(key, false)) c.refuse(key, "false", "true");
    }
  }
  if (source.gguf) add_gguf_long_rotation(*source.gguf, c);
  c.decoder_sizes();
  c.heads();
  c.size("intermediate_size");
  c.epsilon("rms_norm_eps", 1e-5);
  c.activation("hidden_act", "silu");
  c.flag("tie_word_embeddings", false);
  c.sliding_window();
  c.rope({.types = {"default", "linear", "longrope"}, .partial = true});
  return c.config();
}

std::vector<WeightName> weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], heads = c["num_attention_heads"],
                kv_heads = c["num_key_value_heads"], dim = c["head_dim"],
                inner = c["intermediate_size"], vocab = c["vocab_size"];
  WeightNames names;
  names.matrix({"model.embed_tokens", "token_embd", "transformer.vocab_embedding"}, vocab, hidden);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("model.layers.", i);
    names.norm({"input_layernorm", "attn_norm", "input_layernorm"}, hidden, false);
    names.qkv("self_attn.qkv_proj", "attn_qkv", {heads, kv_heads, dim, hidden});
    names.linear({"self_attn.o_proj", "attn_output", "attention.dense"}, hidden, heads * dim,
                 false);
    names.norm({"post_attention_layernorm", "ffn_norm", "post_layernorm"}, hidden, false);
    names.gate_up("mlp.gate_up_proj", "ffn_up", inner, hidden);
    names.linear({"mlp.down_proj", "ffn_down", "mlp.proj"}, hidden, inner, false);
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
  const RopeConfig rope = read_rope_config(c, "config");
  DecoderBuilder::Attention attention = b.attention_of(c);
  attention.window = c["sliding_window"];
  attention.rope_scale = b.rope_scale(rope);
  attention.inv_freq = b.inverse_frequencies(rope, attention.head_dim);
  int x = b.embedding("model.embed_tokens.weight");
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = b.at_layer("model.layers.", i);
    int h = b.rms_norm(x, p + "input_layernorm.weight", epsilon);
    h = b.fused_attention(h, p + "self_attn.qkv_proj", i, attention);
    x = b.residual(b.linear(h, p + "self_attn.o_proj", 1), x);
    h = b.rms_norm(x, p + "post_attention_layernorm.weight", epsilon);
    h = b.gated_mlp(h, p + "mlp.gate_up_proj.gate", p + "mlp.gate_up_proj.up", activation,
                    p + "mlp.down_proj");
    x = b.residual(h, x);
  }
  graph.set_origin("head");
  b.finish(x, "model.norm.weight", epsilon, head_weight(c, "model.embed_tokens"));
}

}  // namespace model_phi3

// Phi-3, Phi-3.5 and Phi-4 (Microsoft, 2024): Llama's block with projections kept as one, a sliding
// window, and rotations for two lengths of sequences (longrope).
const ModelDef& phi3_model() {
  using namespace model_phi3;
  static const ModelDef model = {
      .name = "phi3",
      .architectures = {"Phi3ForCausalLM"},
      .keys = with_rotary_keys({sliding_window_key()}),
      .ignored = {"*.rotary_emb.inv_freq", "rope_factors_*.weight", "lm_head.weight"},
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"phi-3-mini-4k",
                   R"({"architectures": ["Phi3ForCausalLM"], "hidden_size": 3072,
                       "num_hidden_layers": 32, "num_attention_heads": 32,
                       "num_key_value_heads": 32, "intermediate_size": 8192,
                       "max_position_embeddings": 4096, "vocab_size": 32064,
                       "sliding_window": 2047, "rms_norm_eps": 1e-5})",
                   3.82}}};
  return model;
}

}  // namespace ingot
