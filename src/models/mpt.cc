#include "models/contract/config_read.h"
#include "models/contract/decoder.h"
#include "models/contract/weight_names.h"

namespace ingot {
namespace model_mpt {

constexpr int64_t kMostExpansion = 1024;

// Keys of "attn_config" that change results.
constexpr const char* kAttentionKeys[] = {
    "alibi", "alibi_bias_max", "attn_type",           "clip_qkv",     "prefix_lm", "qk_gn",
    "qk_ln", "rope",           "sliding_window_size", "softmax_scale"};

// Values that the published code knows and the model here does not compute.
void refuse_others(const ConfigReader& c) {
  const std::pair<const char*, bool> kFlags[] = {{"alibi", true},      {"no_bias", true},
                                                 {"prefix_lm", false}, {"qk_ln", false},
                                                 {"qk_gn", false},     {"rope", false}};
  for (const auto& [key, only] : kFlags) {
    if (c.stated(key, only) == only) continue;
    c.refuse(key, only ? "true" : "false", only ? "false" : "true");
  }
  const auto norm = c.stated<std::string>("norm_type", "layernorm");
  if (norm != "layernorm" && norm != "low_precision_layernorm") {
    c.refuse("norm_type", "layernorm or low_precision_layernorm", fmt::format("'{}'", norm));
  }
  const auto type = c.stated<std::string>("attn_type", "multihead_attention");
  if (type != "multihead_attention") {
    c.refuse("attn_type", "multihead_attention", fmt::format("'{}'", type));
  }
  if (const auto window = c.stated<int64_t>("sliding_window_size", -1); window != -1) {
    c.refuse("sliding_window_size", "-1", std::to_string(window));
  }
  if (c.has("logit_scale")) c.refuse("logit_scale", "null", "a value");
}

void add_hf_facts(ConfigReader& c, const Json& raw) {
  c.also_called("hidden_size", {"d_model"});
  c.also_called("num_hidden_layers", {"n_layers"});
  c.also_called("num_attention_heads", {"n_heads"});
  c.also_called("max_position_embeddings", {"max_seq_len"});
  c.use_default("max_position_embeddings", 2048);
  if (c.has("attn_config")) {
    const Json& attention = raw["attn_config"];
    if (!attention.is_object()) c.refuse("attn_config", "an object", attention.type_name());
    for (const char* key : kAttentionKeys) {
      if (attention.contains(key)) c.override_with(key, attention[key]);
    }
  }
  refuse_others(c);
}

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  const bool hf = source.kind == ModelSourceKind::kHuggingFace;
  if (hf) add_hf_facts(c, raw);
  c.decoder_sizes();
  c.heads();
  const int64_t hidden = c.config()["hidden_size"];
  const auto ratio = hf ? c.stated<int64_t>("expansion_ratio", 4) : 4;
  if (ratio < 1 || ratio > kMostExpansion) {
    c.refuse("expansion_ratio", fmt::format("1 to {}", kMostExpansion), std::to_string(ratio));
  }
  c.size_or("intermediate_size", ratio * hidden);
  c.epsilon("layer_norm_epsilon", 1e-5);
  c.override_with("hidden_act", "gelu");
  c.activation("hidden_act", "gelu");
  c.flag("tie_word_embeddings", true);
  c.zero_or("clip_qkv", 0);
  c.zero_or("softmax_scale", 0);  // 0: by the size of a head
  c.positive("alibi_bias_max", 8);
  return c.config();
}

std::vector<WeightName> weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], heads = c["num_attention_heads"],
                kv_heads = c["num_key_value_heads"], dim = c["head_dim"],
                inner = c["intermediate_size"], vocab = c["vocab_size"];
  WeightNames names;
  names.matrix({"wte", "token_embd", "transformer.vocab_embedding"}, vocab, hidden);
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    names.at_layer("blocks.", i);
    names.norm({"norm_1", "attn_norm", "input_layernorm"}, hidden, false);
    names.qkv("attn.Wqkv", "attn_qkv", {heads, kv_heads, dim, hidden});
    names.linear({"attn.out_proj", "attn_output", "attention.dense"}, hidden, heads * dim, false);
    names.norm({"norm_2", "ffn_norm", "post_layernorm"}, hidden, false);
    names.linear({"ffn.up_proj", "ffn_up", "mlp.fc"}, inner, hidden, false);
    names.linear({"ffn.down_proj", "ffn_down", "mlp.proj"}, hidden, inner, false);
  }
  names.at({});
  names.norm({"norm_f", "output_norm", "transformer.ln_f"}, hidden, false);
  names.head(c);
  return names.take();
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph);
  const double epsilon = c["layer_norm_epsilon"];
  const double limit = c["clip_qkv"];
  DecoderBuilder::Attention attention = b.attention_of(c);
  attention.scale = c["softmax_scale"];
  attention.slopes = b.alibi_slopes(attention.heads, c["alibi_bias_max"]);
  int x = b.embedding("wte.weight");
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = b.at_layer("blocks.", i);
    int h = b.layer_norm(x, p + "norm_1", epsilon);
    const auto projected = [&](const char* part) {
      const int value = b.linear(h, p + "attn.Wqkv" + part, 0);
      return limit > 0 ? b.clip(value, limit) : value;
    };
    const int q = projected(".q"), k = projected(".k"), v = projected(".v");
    h = b.attention(q, k, v, i, attention);
    x = b.residual(b.linear(h, p + "attn.out_proj", 1), x);
    h = b.layer_norm(x, p + "norm_2", epsilon);
    x = b.residual(b.mlp(h, p + "ffn.up_proj", "gelu", p + "ffn.down_proj"), x);
  }
  graph.set_origin("head");
  b.finish_layer_norm(x, "norm_f", epsilon, head_weight(c, "wte"));
}

}  // namespace model_mpt

// MPT (MosaicML, 2023): linear biases in attention, no biases elsewhere, projections that may be
// limited.
const ModelDef& mpt_model() {
  using namespace model_mpt;
  constexpr auto kFloat = ConfigKey::Type::kFloat;
  static const ModelDef model = {
      .name = "mpt",
      .architectures = {"MptForCausalLM", "MPTForCausalLM"},
      .keys = {layer_norm_key("layer_norm_epsilon"),
               {"clip_qkv", "clip_qkv", "attention.clamp_kqv", kFloat},
               {"alibi_bias_max", "alibi_bias_max", "attention.max_alibi_bias", kFloat},
               {"softmax_scale", "softmax_scale"}},
      .position_embeddings = {"alibi"},
      .hf_prefixes = {"transformer.", ""},
      .ignored = {"lm_head.weight"},
      .parse_config = parse,
      .weights = weights,
      .build = build,
      .presets = {{"mpt-7b",
                   R"({"architectures": ["MPTForCausalLM"], "d_model": 4096, "n_layers": 32,
                       "n_heads": 32, "max_seq_len": 2048, "vocab_size": 50432})",
                   6.65}}};
  return model;
}

}  // namespace ingot
