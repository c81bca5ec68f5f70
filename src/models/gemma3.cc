#include "models/contract/gemma_family.h"

namespace ingot {
namespace model_gemma3 {

constexpr GemmaVariant kVariant = {.head_norms = true};

// Every sixth layer sees everything, unless the config states another pattern.
constexpr int64_t kPattern = 6;

// The text part of a config, with what stands beside it: token ids, and whether the head is the
// embedding.
Json text_config(const Json& raw) {
  const auto found = raw.find("text_config");
  if (found == raw.end() || !found->is_object()) return raw;
  Json text = *found;
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id", "tie_word_embeddings"}) {
    const bool stated = text.contains(key) && !text[key].is_null();
    if (!stated && raw.contains(key)) text[key] = raw[key];
  }
  return text;
}

// Newer configs keep a rotation for each kind of layer.
Json split_rotation(const ModelSource& source, Json raw) {
  const auto found = raw.find("rope_parameters");
  const char* local = "sliding_attention";
  const char* global = "full_attention";
  if (found == raw.end() || !found->is_object()) return raw;
  if (!found->contains(local) && !found->contains(global)) return raw;
  Json full = found->value(global, Json());
  if (!found->contains(local)) {
    raw["rope_parameters"] = std::move(full);
    return raw;
  }
  const RopeConfig near = read_rope_config(raw, source.config_file, local);
  if (near.type != "default") {
    fail(ErrorCode::kUnsupported, "models",
         "{}: 'rope_parameters': '{}': expected type default, found '{}'", source.config_file,
         local, near.type);
  }
  raw["rope_parameters"] = std::move(full);
  raw["rope_local_base_freq"] = near.theta;
  return raw;
}

void add_defaults(ConfigReader& c) {
  const std::pair<const char*, int64_t> kSizes[] = {{"vocab_size", 262208},
                                                    {"hidden_size", 2304},
                                                    {"num_hidden_layers", 26},
                                                    {"intermediate_size", 9216},
                                                    {"num_attention_heads", 8},
                                                    {"num_key_value_heads", 4},
                                                    {"max_position_embeddings", 131072},
                                                    {"sliding_window", 4096}};
  for (const auto& [key, value] : kSizes) c.use_default(key, value);
  c.use_default("rope_theta", 1e6);
}

void read_windows(ConfigReader& c) {
  // llama.cpp's files without a window have none on any layer.
  if (c.source().gguf && !c.has("sliding_window")) {
    c.override_with("sliding_window_pattern", 1);
    c.use_default("sliding_window", 4096);
  }
  c.size("sliding_window");
  c.also_called("sliding_window_pattern", {"_sliding_window_pattern"});
  const auto pattern = c.stated<int64_t>("sliding_window_pattern", kPattern);
  if (pattern < 1) c.refuse("sliding_window_pattern", "1 or more", std::to_string(pattern));
  c.local_layers([&](int64_t layer) { return (layer + 1) % pattern != 0; });
}

Json parse(const ModelSource& source, const Json& whole) {
  const Json raw = split_rotation(source, text_config(whole));
  ConfigReader c(source, raw);
  if (source.kind == ModelSourceKind::kHuggingFace) add_defaults(c);
  c.use_default("head_dim", 256);
  read_gemma_config(c);
  read_windows(c);
  if (c.stated("attn_logit_softcapping", 0.0) != 0) {
    c.refuse("attn_logit_softcapping", "null",
             fmt::format("{}", c.stated("attn_logit_softcapping", 0.0)));
  }
  if (c.stated("use_bidirectional_attention", false)) {
    c.refuse("use_bidirectional_attention", "false", "true");
  }
  gemma_cap(c, raw, "final_logit_softcapping", 0);
  gemma_query_scalar(c, 62);  // 27B
  c.positive("rope_local_base_freq", 10000);
  c.rope();
  return c.config();
}

}  // namespace model_gemma3

// Gemma 3's text model (Gemma Team, 2025): norms of heads instead of caps, five layers with windows
// to one without, each kind with a rotation of its own.
const ModelDef& gemma3_model() {
  using namespace model_gemma3;
  constexpr auto kInt = ConfigKey::Type::kInt, kFloat = ConfigKey::Type::kFloat;
  static const ModelDef model = {
      .name = "gemma3",
      .architectures = {"Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"},
      .keys =
          gemma_keys({{"layer_types", "layer_types"},
                      sliding_window_key(),
                      {"sliding_window_pattern", "", "attention.sliding_window_pattern", kInt},
                      {"rope_local_base_freq", "rotary_base_local", "rope.freq_base_swa", kFloat},
                      {"final_logit_softcapping", "final_logit_softcapping",
                       "final_logit_softcapping", kFloat},
                      {"query_pre_attn_scalar", "query_pre_attn_scalar"}}),
      .hf_prefixes = gemma_prefixes(),
      .ignored = {"*.rotary_emb.inv_freq", "*lm_head.weight", "*vision_tower.*",
                  "*multi_modal_projector.*"},
      .parse_config = parse,
      .weights = [](const Json& config) { return gemma_weights(config, kVariant); },
      .build = [](const Json& config, const WeightSource& weights, const BuildOptions& options,
                  Graph& graph) { build_gemma(config, weights, options, graph, kVariant); },
      .presets = {{"gemma-3-4b",
                   R"({"architectures": ["Gemma3ForCausalLM"], "hidden_size": 2560,
                       "num_hidden_layers": 34, "num_attention_heads": 8,
                       "num_key_value_heads": 4, "head_dim": 256, "intermediate_size": 10240,
                       "vocab_size": 262208, "max_position_embeddings": 131072,
                       "rms_norm_eps": 1e-6, "sliding_window": 1024, "rope_theta": 1000000.0,
                       "rope_local_base_freq": 10000.0,
                       "rope_scaling": {"rope_type": "linear", "factor": 8.0},
                       "query_pre_attn_scalar": 256})",
                   3.88}}};
  return model;
}

}  // namespace ingot
