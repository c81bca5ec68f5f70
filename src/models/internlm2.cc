#include "models/contract/llama_family.h"

namespace ingot {
namespace model_internlm2 {

constexpr LlamaVariant kVariant = {.has_window = false};

Json parse(const ModelSource& source, const Json& raw) {
  ConfigReader c(source, raw);
  if (source.kind == ModelSourceKind::kHuggingFace) {
    // The class has biases, on all of attention, unless this key says otherwise.
    c.override_with("attention_bias", c.stated("bias", true));
    // What Llama's class knows and this one does not.
    if (read_rope_config(raw, c.file()).type == "yarn") {
      c.refuse("rope_scaling", "type linear or dynamic", "'yarn'");
    }
  }
  read_llama_config(c, kVariant);
  return c.config();
}

// Where Hugging Face files keep a weight that Llama's table calls `name`.
WeightTransform stored(const Json& c, const WeightName& name) {
  const int64_t heads = c["num_attention_heads"], kv_heads = c["num_key_value_heads"];
  const int64_t dim = c["head_dim"], per_kv = heads / kv_heads * dim, group = per_kv + 2 * dim;
  // Rows of each KV head in the joined tensor: its queries, its key, its value.
  const std::tuple<const char*, int64_t, int64_t> joined[] = {
      {"self_attn.q_proj", 0, per_kv},
      {"self_attn.k_proj", per_kv, dim},
      {"self_attn.v_proj", per_kv + dim, dim}};
  for (const auto& [part, first, count] : joined) {
    if (name.hf.find(part) == name.hf.npos) continue;
    Shape whole = name.shape;
    whole[0] = kv_heads * group;
    return take_rows_of_groups(first, count, group, whole)
        .of(renamed(name.hf, {{part, "attention.wqkv"}}));
  }
  return WeightTransform().of(renamed(name.hf, {{"model.embed_tokens", "model.tok_embeddings"},
                                                {"input_layernorm", "attention_norm"},
                                                {"self_attn.o_proj", "attention.wo"},
                                                {"post_attention_layernorm", "ffn_norm"},
                                                {"mlp.gate_proj", "feed_forward.w1"},
                                                {"mlp.up_proj", "feed_forward.w3"},
                                                {"mlp.down_proj", "feed_forward.w2"},
                                                {"lm_head", "output"}}));
}

std::vector<WeightName> weights(const Json& c) {
  std::vector<WeightName> names = llama_weights(c, kVariant);
  for (WeightName& name : names) name.from_hf = stored(c, name);
  return names;
}

}  // namespace model_internlm2

// InternLM2 (Cai et al., 2024): Llama with query, key and value in one tensor.
const ModelDef& internlm2_model() {
  using namespace model_internlm2;
  static const ModelDef model = {
      .name = "internlm2",
      .architectures = {"InternLM2ForCausalLM"},
      .keys = llama_keys(),
      .ignored = {"*.rotary_emb.inv_freq", "output.weight"},
      .parse_config = parse,
      .weights = weights,
      .build = build_llama,
      .presets = {{"internlm2-7b",
                   R"({"architectures": ["InternLM2ForCausalLM"], "hidden_size": 4096,
                       "num_hidden_layers": 32, "num_attention_heads": 32,
                       "num_key_value_heads": 8, "intermediate_size": 14336,
                       "vocab_size": 92544, "max_position_embeddings": 32768,
                       "rms_norm_eps": 1e-5, "rope_theta": 1000000.0, "bias": false,
                       "tie_word_embeddings": false})",
                   7.74}}};
  return model;
}

}  // namespace ingot
