#include "models/contract/llama_family.h"

#include <algorithm>
#include <array>
namespace ingot {
namespace {

constexpr std::string_view kWhere = "models/llama";
constexpr std::string_view kRotaryDivisors = "rotary_divisors.weight";

// What a GGUF file says by its tensors, or in other words than Hugging Face.
void add_gguf_facts(const GgufFile& file, Json& config) {
  add_gguf_rope_scaling(file, config);
  if (config.contains("sliding_window")) config["use_sliding_window"] = true;
  config["attention_bias"] = file.contains("blk.0.attn_q.bias");
}

int64_t positive(const Json& config, std::string_view key, const std::string& file,
                 int64_t limit = int64_t{1} << 31) {
  const auto value = json_require<int64_t>(config, key, kWhere, file);
  if (value < 1 || value > limit) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: '{}': expected 1 to {}, found {}", file, key, limit,
         value);
  }
  return value;
}

// Rotations that a GGUF file asks for and this family cannot do.
void check_gguf_rotation(const GgufFile& file, int64_t head_dim) {
  const std::string rope = fmt::format("{}.rope.", file.architecture());
  const int64_t rotated = file.get_int(rope + "dimension_count", head_dim);
  if (rotated != head_dim) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: '{}dimension_count': expected {}, found {}",
         file.origin(), rope, head_dim, rotated);
  }
  const double scale = file.get_float(rope + "scale_linear", 1.0);
  if (scale != 1.0) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: '{}scale_linear': expected 1, found {}",
         file.origin(), rope, scale);
  }
}

// Window of attention in tokens, 0 for none.
int64_t sliding_window(const Json& config, const LlamaVariant& variant, const std::string& file) {
  const auto window = json_get<int64_t>(config, "sliding_window", 0, kWhere, file);
  if (!variant.window_needs_flag) return window;
  const bool used = json_get<bool>(config, "use_sliding_window", false, kWhere, file);
  const auto layers = json_get<int64_t>(config, "num_hidden_layers", 0, kWhere, file);
  const auto first = json_get<int64_t>(config, "max_window_layers", 28, kWhere, file);
  if (used && window > 0 && first > 0 && first < layers) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: max_window_layers {} of {}: windows on some layers only are not supported", file,
         first, layers);
  }
  return used && first == 0 ? window : 0;
}

}  // namespace

std::vector<ConfigKey> llama_keys() {
  return with_rotary_keys(
      {{"attention_bias", "attention_bias"},
       {"mlp_bias", "mlp_bias"},
       {"sliding_window", "sliding_window", "attention.sliding_window", ConfigKey::Type::kInt}});
}

// Some files keep the frequencies that the config implies; tied ones a head that is the embedding.
std::vector<std::string_view> llama_ignored() {
  return {"*.rotary_emb.inv_freq", "lm_head.weight"};
}

Json parse_llama_config(const ModelSource& source, Json raw, const LlamaVariant& variant) {
  const std::string& file = source.config_file.empty() ? source.path : source.config_file;
  if (source.kind == ModelSourceKind::kGguf) add_gguf_facts(*source.gguf, raw);
  // Null in a checkpoint means no limit of its own: what Hugging Face's configs fall back to.
  if (source.kind == ModelSourceKind::kCheckpoint && !raw.contains("max_position_embeddings")) {
    raw["max_position_embeddings"] = 2048;
  }

  Json config;
  const int64_t hidden = config["hidden_size"] = positive(raw, "hidden_size", file);
  const int64_t heads = config["num_attention_heads"] =
      positive(raw, "num_attention_heads", file, hidden);
  config["num_hidden_layers"] = positive(raw, "num_hidden_layers", file, 4096);
  config["intermediate_size"] = positive(raw, "intermediate_size", file);
  config["vocab_size"] = positive(raw, "vocab_size", file);
  config["max_position_embeddings"] = positive(raw, "max_position_embeddings", file);
  const auto kv_heads = json_get<int64_t>(raw, "num_key_value_heads", heads, kWhere, file);
  if (kv_heads < 1 || heads % kv_heads != 0) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: 'num_key_value_heads': expected a divisor of {}, found {}", file, heads, kv_heads);
  }
  config["num_key_value_heads"] = kv_heads;
  const auto head_dim = json_get<int64_t>(raw, "head_dim", hidden / heads, kWhere, file);
  if (head_dim < 2 || head_dim % 2 != 0 || head_dim > 4096) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: 'head_dim': expected an even size up to 4096, found {}",
         file, head_dim);
  }
  config["head_dim"] = head_dim;
  if (source.gguf) check_gguf_rotation(*source.gguf, head_dim);
  const auto epsilon = json_get<double>(raw, "rms_norm_eps", 1e-6, kWhere, file);
  if (!(epsilon > 0 && epsilon < 1)) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: 'rms_norm_eps': expected a number between 0 and 1, found {}", file, epsilon);
  }
  config["rms_norm_eps"] = epsilon;
  config["tie_word_embeddings"] = json_get<bool>(raw, "tie_word_embeddings", false, kWhere, file);
  config["attention_bias"] =
      variant.qkv_bias || json_get<bool>(raw, "attention_bias", false, kWhere, file);
  config["mlp_bias"] = (source.gguf && source.gguf->contains("blk.0.ffn_gate.bias")) ||
                       json_get<bool>(raw, "mlp_bias", false, kWhere, file);
  const auto act = json_get<std::string>(raw, "hidden_act", "silu", kWhere, file);
  if (act != "silu") {
    fail(ErrorCode::kUnsupported, kWhere, "{}: 'hidden_act': expected silu, found '{}'", file, act);
  }
  config["hidden_act"] = act;
  const bool ignored = source.kind == ModelSourceKind::kHuggingFace && !variant.has_window;
  config["sliding_window"] = ignored ? 0 : sliding_window(raw, variant, file);
  if (source.kind == ModelSourceKind::kCheckpoint) {
    config["sliding_window"] = json_get<int64_t>(raw, "sliding_window", 0, kWhere, file);
  }
  const RopeConfig rope = read_rope_config(raw, file);
  constexpr std::array<std::string_view, 3> kRopeTypes = {"default", "linear", "llama3"};
  if (std::find(kRopeTypes.begin(), kRopeTypes.end(), rope.type) == kRopeTypes.end()) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: rope_scaling: expected type default, linear or llama3, found '{}'", file, rope.type);
  }
  if (rope.partial_rotary_factor != 1.0) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: 'partial_rotary_factor': expected 1, found {}", file,
         rope.partial_rotary_factor);
  }
  config["rope_theta"] = rope.theta;
  if (rope.type != "default") {
    config["rope_scaling"] = {{"rope_type", rope.type},
                              {"factor", rope.factor},
                              {"low_freq_factor", rope.low_freq_factor},
                              {"high_freq_factor", rope.high_freq_factor},
                              {"original_max_position_embeddings", rope.original_max_position}};
  }
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    if (raw.contains(key)) config[key] = raw[key];
  }
  return config;
}

std::vector<WeightName> llama_weights(const Json& config, const LlamaVariant& variant) {
  const auto hidden = config["hidden_size"].get<int64_t>();
  const auto heads = config["num_attention_heads"].get<int64_t>();
  const auto kv_heads = config["num_key_value_heads"].get<int64_t>();
  const auto dim = config["head_dim"].get<int64_t>();
  const auto inner = config["intermediate_size"].get<int64_t>();
  const auto vocab = config["vocab_size"].get<int64_t>();
  std::vector<WeightName> out;
  auto matrix = [&](std::string hf, std::string gguf, std::string ours, int64_t rows,
                    int64_t columns, int64_t permuted = 0) {
    out.push_back({hf + ".weight",
                   gguf + ".weight",
                   ours + ".weight",
                   {rows, columns},
                   false,
                   unpermute_heads(variant.gguf_permuted ? permuted : 0)});
  };
  auto bias = [&](std::string hf, std::string gguf, std::string ours, int64_t rows,
                  int64_t permuted = 0) {
    out.push_back({hf + ".bias",
                   gguf + ".bias",
                   ours + ".bias",
                   {rows},
                   false,
                   unpermute_heads(variant.gguf_permuted ? permuted : 0)});
  };
  auto norm = [&](std::string hf, std::string gguf, std::string ours) {
    out.push_back({hf + ".weight", gguf + ".weight", ours + ".weight", {hidden}});
  };
  const bool attention_bias = config["attention_bias"].get<bool>();
  const bool output_bias = attention_bias && !variant.qkv_bias;
  matrix("model.embed_tokens", "token_embd", "transformer.vocab_embedding", vocab, hidden);
  // GGUF's way to state Llama 3.1's scaling of the rotation.
  out.push_back({.hf = std::string(kRotaryDivisors),
                 .gguf = "rope_freqs.weight",
                 .checkpoint = "transformer.rotary_divisors.weight",
                 .shape = {dim / 2},
                 .optional = true,
                 .as_stored = true});
  for (int64_t i = 0; i < config["num_hidden_layers"].get<int64_t>(); ++i) {
    const std::string hf = fmt::format("model.layers.{}.", i);
    const std::string gguf = fmt::format("blk.{}.", i);
    const std::string ours = fmt::format("transformer.layers.{}.", i);
    norm(hf + "input_layernorm", gguf + "attn_norm", ours + "input_layernorm");
    const std::string qkv = ours + "attention.qkv";
    matrix(hf + "self_attn.q_proj", gguf + "attn_q", qkv, heads * dim, hidden, heads);
    matrix(hf + "self_attn.k_proj", gguf + "attn_k", qkv, kv_heads * dim, hidden, kv_heads);
    matrix(hf + "self_attn.v_proj", gguf + "attn_v", qkv, kv_heads * dim, hidden);
    if (attention_bias) {
      bias(hf + "self_attn.q_proj", gguf + "attn_q", qkv, heads * dim, heads);
      bias(hf + "self_attn.k_proj", gguf + "attn_k", qkv, kv_heads * dim, kv_heads);
      bias(hf + "self_attn.v_proj", gguf + "attn_v", qkv, kv_heads * dim);
    }
    matrix(hf + "self_attn.o_proj", gguf + "attn_output", ours + "attention.dense", hidden,
           heads * dim);
    if (output_bias)
      bias(hf + "self_attn.o_proj", gguf + "attn_output", ours + "attention.dense", hidden);
    norm(hf + "post_attention_layernorm", gguf + "ffn_norm", ours + "post_layernorm");
    // Checkpoint names follow the convention that fc is the gated half and gate the linear one.
    matrix(hf + "mlp.gate_proj", gguf + "ffn_gate", ours + "mlp.fc", inner, hidden);
    matrix(hf + "mlp.up_proj", gguf + "ffn_up", ours + "mlp.gate", inner, hidden);
    matrix(hf + "mlp.down_proj", gguf + "ffn_down", ours + "mlp.proj", hidden, inner);
    if (config["mlp_bias"].get<bool>()) {
      bias(hf + "mlp.gate_proj", gguf + "ffn_gate", ours + "mlp.fc", inner);
      bias(hf + "mlp.up_proj", gguf + "ffn_up", ours + "mlp.gate", inner);
      bias(hf + "mlp.down_proj", gguf + "ffn_down", ours + "mlp.proj", hidden);
    }
  }
  norm("model.norm", "output_norm", "transformer.ln_f");
  if (!config["tie_word_embeddings"].get<bool>()) {
    matrix("lm_head", "output", "lm_head", vocab, hidden);
  }
  return out;
}

void build_llama(const Json& config, const WeightSource& weights, const BuildOptions& options,
                 Graph& graph) {
  DecoderBuilder b(weights, options, config["max_position_embeddings"].get<int64_t>(), graph);
  const auto epsilon = config["rms_norm_eps"].get<double>();
  DecoderBuilder::Attention attention;
  attention.heads = config["num_attention_heads"].get<int64_t>();
  attention.kv_heads = config["num_key_value_heads"].get<int64_t>();
  attention.head_dim = config["head_dim"].get<int64_t>();
  attention.window = config["sliding_window"].get<int64_t>();
  const std::string divisors(kRotaryDivisors);
  attention.inv_freq =
      b.inverse_frequencies(read_rope_config(config, "config"), attention.head_dim,
                            b.has(divisors) ? b.numbers(divisors) : std::vector<float>());
  int x = b.embedding("model.embed_tokens.weight");
  for (int64_t i = 0; i < config["num_hidden_layers"].get<int64_t>(); ++i) {
    graph.set_origin(fmt::format("layer {}", i));
    const std::string p = fmt::format("model.layers.{}.", i);
    int h = b.rms_norm(x, p + "input_layernorm.weight", epsilon);
    const int q = b.linear(h, p + "self_attn.q_proj", 0);
    const int k = b.linear(h, p + "self_attn.k_proj", 0);
    const int v = b.linear(h, p + "self_attn.v_proj", 0);
    h = b.attention(q, k, v, i, attention);
    x = graph.emit("add", {}, {b.linear(h, p + "self_attn.o_proj", 1), x});
    h = b.rms_norm(x, p + "post_attention_layernorm.weight", epsilon);
    const int gate = b.linear(h, p + "mlp.gate_proj", 0);
    const int up = b.linear(h, p + "mlp.up_proj", 0);
    h = graph.emit("act_mul", {{"activation", std::string("silu")}}, {gate, up});
    x = graph.emit("add", {}, {b.linear(h, p + "mlp.down_proj", 1), x});
  }
  graph.set_origin("head");
  const bool tied = config["tie_word_embeddings"].get<bool>();
  b.finish(x, "model.norm.weight", epsilon, tied ? "model.embed_tokens.weight" : "lm_head.weight");
}

}  // namespace ingot
