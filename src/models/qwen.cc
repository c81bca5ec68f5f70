#include <algorithm>

#include "models/contract/llama_family.h"

namespace ingot {
namespace model_qwen {

constexpr LlamaVariant kVariant = {.qkv_bias = true, .gguf_permuted = false, .has_window = false};

// Hugging Face's keys in Llama's terms.
void add_hf_facts(ConfigReader& c) {
  c.also_called("rms_norm_eps", {"layer_norm_epsilon"});
  c.also_called("rope_theta", {"rotary_emb_base"});
  c.also_called("partial_rotary_factor", {"rotary_pct"});
  c.also_called("head_dim", {"kv_channels"});
  c.use_default("head_dim", 128);
  c.use_default("max_position_embeddings", 8192);
  // Scaled rotation and scores by the logarithm of the length begin past the trained length: such a
  // model runs up to there.
  const auto positions = c.stated<int64_t>("max_position_embeddings", 0);
  if (c.stated("use_dynamic_ntk", true) || c.stated("use_logn_attn", true)) {
    const auto trained = c.stated<int64_t>("seq_length", positions);
    c.override_with("max_position_embeddings", std::min(trained, positions));
  }
  if (!c.stated("scale_attn_weights", true)) c.refuse("scale_attn_weights", "true", "false");
  if (!c.stated("no_bias", true)) c.refuse("no_bias", "true", "false");
}

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (source.kind == ModelSourceKind::kHuggingFace) add_hf_facts(c);
  read_llama_config(c, kVariant);
  // Both halves of the gated unit.
  const auto inner = c.config()["intermediate_size"].get<int64_t>();
  if (inner % 2 != 0) c.corrupt("intermediate_size", "an even size", std::to_string(inner));
  return c.config();
}

// Where files keep a weight that Llama's table calls `name`.
void set_stored(const Json& c, WeightName& name) {
  const int64_t part = c["num_attention_heads"].get<int64_t>() * c["head_dim"].get<int64_t>();
  const std::string end = name.hf.substr(name.hf.rfind('.'));
  const std::pair<const char*, int64_t> joined[] = {
      {"q_proj", 0}, {"k_proj", part}, {"v_proj", 2 * part}};
  std::string theirs = name.hf;
  const auto replace = [&](std::string_view ours, std::string_view other) {
    const size_t at = theirs.find(ours);
    if (at != theirs.npos) theirs.replace(at, ours.size(), other);
  };
  replace("model.layers.", "transformer.h.");
  for (const auto& [which, first] : joined) {
    const size_t at = theirs.find(fmt::format("self_attn.{}", which));
    if (at == theirs.npos) continue;
    Shape whole = name.shape;
    whole[0] = 3 * part;
    name.from_hf = take_rows(first, part, whole).of(theirs.substr(0, at) + "attn.c_attn" + end);
    name.from_gguf = take_rows(first, part, whole);
    name.gguf = name.gguf.substr(0, name.gguf.rfind("attn_")) + "attn_qkv" + end;
    return;
  }
  replace("model.embed_tokens", "transformer.wte");
  replace("model.norm", "transformer.ln_f");
  replace("input_layernorm", "ln_1");
  replace("self_attn.o_proj", "attn.c_proj");
  replace("post_attention_layernorm", "ln_2");
  replace("mlp.gate_proj", "mlp.w2");
  replace("mlp.up_proj", "mlp.w1");
  replace("mlp.down_proj", "mlp.c_proj");
  name.from_hf = WeightTransform().of(theirs);
}

std::vector<WeightName> weights(const Json& c) {
  Json halved = c;
  halved["intermediate_size"] = c["intermediate_size"].get<int64_t>() / 2;
  std::vector<WeightName> names = llama_weights(halved, kVariant);
  for (WeightName& name : names) set_stored(c, name);
  return names;
}

}  // namespace model_qwen

// Qwen (Bai et al., 2023), the first generation: Llama with query, key and value in one tensor and
// biases on them. It runs up to its trained length.
const ModelDef& qwen_model() {
  using namespace model_qwen;
  static const ModelDef model = {
      .name = "qwen",
      .architectures = {"QWenLMHeadModel"},
      .keys = llama_keys(),
      .ignored = {"*.rotary_emb.inv_freq", "lm_head.weight"},
      .parse_config = parse,
      .weights = weights,
      .build = build_llama,
      .presets = {{"qwen-1-7b",
                   R"({"architectures": ["QWenLMHeadModel"], "hidden_size": 4096,
                       "num_hidden_layers": 32, "num_attention_heads": 32, "kv_channels": 128,
                       "intermediate_size": 22016, "vocab_size": 151936,
                       "max_position_embeddings": 32768, "seq_length": 8192,
                       "layer_norm_epsilon": 1e-6, "rotary_emb_base": 10000})",
                   7.72}}};
  return model;
}

}  // namespace ingot
