#include <algorithm>
#include <cctype>

#include "models/contract/glm_family.h"
#include "models/contract/weight_names.h"

namespace ingot {
namespace model_chatglm {

constexpr double kBase = 10000;

// What the class can be told to compute otherwise.
void refuse_other_parts(const ConfigReader& c) {
  // The first ChatGLM attends to its prompt from both sides.
  for (const char* key : {"position_encoding_2d", "inner_hidden_size"}) {
    if (c.has(key)) c.refuse(key, "none, as in ChatGLM2 and later", "the first ChatGLM's");
  }
  struct Only {
    const char* key;
    bool fallback, wanted;
  };
  const Only kOnly[] = {{"add_bias_linear", false, false},
                        {"apply_residual_connection_post_layernorm", false, false},
                        {"multi_query_attention", false, true},
                        {"post_layer_norm", true, true},
                        {"rmsnorm", true, true}};
  for (const auto& [key, fallback, wanted] : kOnly) {
    if (c.stated(key, fallback) == wanted) continue;
    c.refuse(key, wanted ? "true" : "false", wanted ? "false" : "true");
  }
  if (c.has("pre_seq_len")) c.refuse("pre_seq_len", "none", "a prefix that was tuned");
  const auto bits = c.stated<int64_t>("quantization_bit", 0);
  if (bits != 0) c.refuse("quantization_bit", "0", std::to_string(bits));
}

// ChatGLM2-32k divides positions by rope_ratio, ChatGLM3-32k and GLM-4 multiply the base by it:
// each by code of its own, and the config tells them apart by the name alone.
void add_rope_ratio(ConfigReader& c) {
  const auto ratio = c.stated<double>("rope_ratio", 1);
  if (!(ratio > 0 && ratio < 1e6)) {
    c.corrupt("rope_ratio", "a positive number", fmt::format("{}", ratio));
  }
  c.override_with("rope_theta", kBase);
  c.override_with("rope_scaling", nullptr);
  c.override_with("rope_parameters", nullptr);
  c.override_with("partial_rotary_factor", 0.5);
  if (ratio == 1) return;
  constexpr int64_t kGlm4Vocab = 151552;
  auto name = c.stated<std::string>("_name_or_path", "");
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  const auto named = [&](const char* part) { return name.find(part) != name.npos; };
  const bool divides = named("chatglm2");
  const bool multiplies = named("chatglm3") || named("glm-4") || named("glm4") ||
                          c.stated<int64_t>("vocab_size", 0) == kGlm4Vocab;
  if (divides == multiplies) {
    c.refuse("rope_ratio",
             "1, or a '_name_or_path' that says what it does: chatglm2 (positions are divided by "
             "it), chatglm3 or glm-4 (the base is multiplied)",
             fmt::format("{} and '{}'", ratio, name));
  }
  if (divides) {
    c.override_with("rope_scaling", Json{{"rope_type", "linear"}, {"factor", ratio}});
  } else {
    c.override_with("rope_theta", kBase * ratio);
  }
}

// Hugging Face's keys in GLM-4's terms. "original_rope" changes nothing in the class.
void add_hf_facts(ConfigReader& c) {
  refuse_other_parts(c);
  c.also_called("num_hidden_layers", {"num_layers"});
  c.also_called("intermediate_size", {"ffn_hidden_size"});
  c.also_called("head_dim", {"kv_channels"});
  c.also_called("num_key_value_heads", {"multi_query_group_num"});
  c.also_called("rms_norm_eps", {"layernorm_epsilon"});
  c.also_called("max_position_embeddings", {"seq_length"});
  c.also_called("attention_bias", {"add_qkv_bias"});
  // The rows that there are; a vocabulary beside it counts fewer.
  c.override_with("vocab_size", c.stated<int64_t>("padded_vocab_size", 65024));
  c.use_default("head_dim", 128);
  c.use_default("num_key_value_heads", 1);
  c.use_default("rms_norm_eps", 1e-5);
  c.use_default("max_position_embeddings", 2048);
  add_rope_ratio(c);
}

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (source.kind == ModelSourceKind::kHuggingFace) add_hf_facts(c);
  return read_glm_config(c);
}

// Where Hugging Face files keep a weight that GLM-4's table calls `name`.
WeightTransform stored(const Json& c, const WeightName& name) {
  const int64_t dim = c["head_dim"], q = c["num_attention_heads"].get<int64_t>() * dim,
                kv = c["num_key_value_heads"].get<int64_t>() * dim;
  const std::string theirs =
      renamed(name.from_hf.stored.empty() ? name.hf : name.from_hf.stored,
              {{"model.embed_tokens", "transformer.embedding.word_embeddings"},
               {"model.layers.", "transformer.encoder.layers."},
               {"model.norm", "transformer.encoder.final_layernorm"},
               {"lm_head", "transformer.output_layer"},
               {"self_attn.o_proj", "self_attention.dense"},
               {"mlp.gate_up_proj", "mlp.dense_h_to_4h"},
               {"mlp.down_proj", "mlp.dense_4h_to_h"}});
  const std::pair<const char*, int64_t> kJoined[] = {
      {"self_attn.q_proj", 0}, {"self_attn.k_proj", q}, {"self_attn.v_proj", q + kv}};
  for (const auto& [part, first] : kJoined) {
    if (theirs.find(part) == theirs.npos) continue;
    Shape whole = name.shape;
    whole[0] = q + 2 * kv;
    return take_rows(first, name.shape[0], whole)
        .of(renamed(theirs, {{part, "self_attention.query_key_value"}}));
  }
  return name.from_hf.of(theirs);
}

std::vector<WeightName> weights(const Json& c) {
  std::vector<WeightName> names = glm_weights(c);
  for (WeightName& name : names) name.from_hf = stored(c, name);
  return names;
}

}  // namespace model_chatglm

// ChatGLM2 and ChatGLM3 (GLM Team, 2023), and GLM-4 as its first files kept it: GLM-4's block with
// query, key and value in one tensor, few of the heads with keys and values. llama.cpp's "chatglm"
// is any of them.
const ModelDef& chatglm_model() {
  using namespace model_chatglm;
  static const ModelDef model = {
      .name = "chatglm",
      .architectures = {"ChatGLMModel", "ChatGLMForConditionalGeneration"},
      .keys = glm_keys(),
      .ignored = {"*rotary_pos_emb.inv_freq"},
      .parse_config = parse,
      .weights = weights,
      .build = build_glm,
      .presets = {{"chatglm3-6b",
                   R"({"architectures": ["ChatGLMModel"], "hidden_size": 4096, "num_layers": 28,
                       "num_attention_heads": 32, "multi_query_attention": true,
                       "multi_query_group_num": 2, "kv_channels": 128, "ffn_hidden_size": 13696,
                       "padded_vocab_size": 65024, "seq_length": 8192, "layernorm_epsilon": 1e-5,
                       "add_qkv_bias": true, "tie_word_embeddings": false})",
                   6.24}}};
  return model;
}

}  // namespace ingot
