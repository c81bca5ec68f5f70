#include "models/contract/config_keys.h"

#include <algorithm>
#include <cmath>

#include "base/refusal.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "models";

Json gguf_array(const GgufFile& file, const GgufValue& value) {
  switch (value.element) {
    case GgufType::kString: {
      Json out = Json::array();
      for (std::string_view text : file.require_strings(value.key))
        out.push_back(std::string(text));
      return out;
    }
    case GgufType::kFloat32:
    case GgufType::kFloat64:
      return file.require_floats(value.key);
    default:
      return file.require_ints(value.key);
  }
}

Json gguf_value(const GgufFile& file, const GgufValue& value, ConfigKey::Type type) {
  using Type = ConfigKey::Type;
  if (type == Type::kAny) {
    switch (value.type) {
      case GgufType::kArray:
        return gguf_array(file, value);
      case GgufType::kString:
        type = Type::kString;
        break;
      case GgufType::kBool:
        type = Type::kBool;
        break;
      case GgufType::kFloat32:
      case GgufType::kFloat64:
        type = Type::kFloat;
        break;
      default:
        type = Type::kInt;
    }
  }
  switch (type) {
    case Type::kFloat:
      return file.require_float(value.key);
    case Type::kBool:
      return file.require_bool(value.key);
    case Type::kString:
      return std::string(file.require_string(value.key));
    default:
      return file.require_int(value.key);
  }
}

Json config_of_gguf(const GgufFile& file, const std::vector<ConfigKey>& keys) {
  Json config = Json::object();
  RefusalList refused;
  for (const ConfigKey& key : keys) {
    if (key.gguf.empty()) continue;
    const std::string name = fmt::format("{}.{}", file.architecture(), key.gguf);
    const GgufValue* value = file.find_value(name);
    if (value) {
      refused.gather("config", file.origin(),
                     [&] { config[std::string(key.name)] = gguf_value(file, *value, key.type); });
    } else if (key.gguf_required) {
      refused.add(ErrorCode::kCorrupt, {"config", file.origin(), name, "a value", "none"});
    }
  }
  refused.throw_if_any(kWhere);
  const WeightInfo& embedding = file.require("token_embd.weight");
  config["vocab_size"] = embedding.shape.empty() ? 0 : embedding.shape[0];
  config["tie_word_embeddings"] = !file.contains("output.weight");
  return config;
}

// llama.cpp's scale of cosine and sine is `attn_factor` times yarn's own.
void add_gguf_yarn(const GgufFile& file, const std::string& prefix, Json& config) {
  for (const char* key : {"yarn_log_multiplier", "yarn_ext_factor"}) {
    if (!file.find_value(prefix + key)) continue;
    fail(ErrorCode::kUnsupported, kWhere, "{}: '{}{}': expected none, found a value", file.origin(),
         prefix, key);
  }
  const double factor = file.require_float(prefix + "factor");
  Json& scaling = config["rope_scaling"];
  scaling = {{"rope_type", "yarn"}, {"factor", factor}};
  if (file.find_value(prefix + "original_context_length")) {
    scaling["original_max_position_embeddings"] =
        file.require_int(prefix + "original_context_length");
  }
  for (const char* beta : {"beta_fast", "beta_slow"}) {
    const std::string key = prefix + "yarn_" + beta;
    if (file.find_value(key)) scaling[beta] = file.require_float(key);
  }
  double scale = 1;
  for (const char* key : {"attn_factor", "yarn_attn_factor"}) {
    scale *= file.get_float(prefix + key, 1.0);
  }
  if (scale != 1) scaling["attention_factor"] = scale * (0.1 * std::log(std::max(factor, 1.0)) + 1);
}

}  // namespace

const std::vector<ConfigKey>& common_keys() {
  constexpr auto kInt = ConfigKey::Type::kInt, kFloat = ConfigKey::Type::kFloat;
  static const std::vector<ConfigKey> keys = {
      {"vocab_size", "vocab_size"},
      {"max_position_embeddings", "max_position_embeddings", "context_length", kInt, true},
      {"hidden_size", "hidden_size", "embedding_length", kInt, true},
      {"num_hidden_layers", "num_hidden_layers", "block_count", kInt, true},
      {"num_attention_heads", "num_attention_heads", "attention.head_count", kInt, true},
      {"num_key_value_heads", "num_key_value_heads", "attention.head_count_kv", kInt},
      {"hidden_act", "hidden_act"},
      {"intermediate_size", "intermediate_size", "feed_forward_length", kInt, true},
      {"rms_norm_eps", "norm_epsilon", "attention.layer_norm_rms_epsilon", kFloat, true},
      {"tie_word_embeddings", "share_embedding_table"},
      {"eos_token_id", "eos_token_id"},
      {"bos_token_id", "bos_token_id"},
      {"pad_token_id", "pad_token_id"}};
  return keys;
}

std::vector<ConfigKey> with_rotary_keys(std::vector<ConfigKey> own) {
  using Type = ConfigKey::Type;
  own.insert(own.begin(), {{"head_dim", "head_size", "attention.key_length", Type::kInt},
                           {"rope_theta", "rotary_base", "rope.freq_base", Type::kFloat},
                           {"rope_scaling", "rotary_scaling"},
                           {"partial_rotary_factor", "rotary_pct"}});
  return own;
}

ConfigKey layer_norm_key(std::string_view name) {
  return {name, "norm_epsilon", "attention.layer_norm_epsilon", ConfigKey::Type::kFloat, true};
}

ConfigKey sliding_window_key() {
  return {"sliding_window", "sliding_window", "attention.sliding_window", ConfigKey::Type::kInt};
}

std::vector<ConfigKey> all_keys(const std::vector<ConfigKey>& own) {
  std::vector<ConfigKey> out;
  for (const ConfigKey& key : common_keys()) {
    const bool replaced = std::any_of(own.begin(), own.end(), [&](const ConfigKey& other) {
      return other.checkpoint == key.checkpoint;
    });
    if (!replaced) out.push_back(key);
  }
  out.insert(out.end(), own.begin(), own.end());
  return out;
}

Json source_config(const ModelSource& source, const std::vector<ConfigKey>& keys) {
  Json config = Json::object();
  switch (source.kind) {
    case ModelSourceKind::kHuggingFace:
      config = source.config;
      break;
    case ModelSourceKind::kGguf:
      config = config_of_gguf(*source.gguf, keys);
      break;
    case ModelSourceKind::kCheckpoint:
      for (const ConfigKey& key : keys) {
        if (key.checkpoint.empty()) continue;
        auto it = source.config.find(std::string(key.checkpoint));
        const bool stated = it != source.config.end() && !it->is_null();
        if (stated) config[std::string(key.name)] = *it;
      }
      break;
  }
  for (const ConfigKey& key : keys) {
    if (key.fallback.is_null()) continue;
    Json& value = config[std::string(key.name)];
    if (value.is_null()) value = key.fallback;
  }
  return config;
}

Json checkpoint_fields(const Json& config, const std::vector<ConfigKey>& keys) {
  Json out = Json::object();
  for (const ConfigKey& key : keys) {
    if (key.checkpoint.empty()) continue;
    auto it = config.find(std::string(key.name));
    if (it != config.end() && !it->is_null()) out[std::string(key.checkpoint)] = *it;
  }
  return out;
}

void add_gguf_rope_scaling(const GgufFile& file, Json& config) {
  const std::string prefix = fmt::format("{}.rope.scaling.", file.architecture());
  // A factor without a type is linear, as llama.cpp reads it.
  const bool bare = file.find_value(prefix + "factor") != nullptr;
  const std::string_view scaling = file.get_string(prefix + "type", bare ? "linear" : "none");
  // llama.cpp scales cosine and sine by it whatever the type; here yarn and longrope (whose factors
  // are tensors) have such a scale.
  const bool scales = scaling == "yarn" || file.contains("rope_factors_long.weight");
  for (const char* key : {"attn_factor", "yarn_attn_factor"}) {
    const double factor = file.get_float(prefix + key, 1.0);
    if (scales || factor == 1) continue;
    refuse(ErrorCode::kUnsupported, kWhere,
           {"config", file.origin(), prefix + key, fmt::format("1 with a type '{}'", scaling),
            fmt::format("{}", factor)});
  }
  if (scaling == "linear") {
    config["rope_scaling"] = {{"rope_type", "linear"},
                              {"factor", file.require_float(prefix + "factor")}};
  } else if (scaling == "yarn") {
    add_gguf_yarn(file, prefix, config);
  } else if (scaling != "none") {
    refuse(
        ErrorCode::kUnsupported, kWhere,
        {"config", file.origin(), prefix + "type", "none or linear", fmt::format("'{}'", scaling)});
  }
}

}  // namespace ingot
