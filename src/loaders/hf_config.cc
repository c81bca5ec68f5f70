#include "loaders/hf_config.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/file.h"
#include "base/refusal.h"
#include "base/stand_in.h"
#include "text/tokenizer_files.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWhere = "loaders/hf_config";
constexpr const char* kTrained = "original_max_position_embeddings";
constexpr size_t kMaxConfigBytes = size_t{16} << 20;
constexpr size_t kMaxTokenizerBytes = size_t{512} << 20;
constexpr size_t kMaxTemplateBytes = size_t{4} << 20;

template <typename T>
std::optional<T> get_optional(const Json& object, std::string_view key, std::string_view file) {
  auto it = object.find(std::string(key));
  if (it == object.end() || it->is_null()) return std::nullopt;
  return json_require<T>(object, key, kWhere, file);
}

const Json* find_object(const Json& parent, const char* key, std::string_view file) {
  auto it = parent.find(key);
  if (it == parent.end() || it->is_null()) return nullptr;
  if (!it->is_object()) {
    refuse(ErrorCode::kCorrupt, kWhere,
           {"config", std::string(file), key, "an object", it->type_name()});
  }
  return &*it;
}

std::string rope_type(const Json& scaling, std::string_view file) {
  auto name = get_optional<std::string>(scaling, "rope_type", file);
  if (!name) name = get_optional<std::string>(scaling, "type", file);
  if (!name) return "default";
  if (*name == "su") return "longrope";  // its name in the first Phi-3 configs
  constexpr std::array<std::string_view, 6> kKnown = {"default", "linear", "dynamic",
                                                      "yarn",    "llama3", "longrope"};
  if (std::find(kKnown.begin(), kKnown.end(), *name) == kKnown.end()) {
    refuse(ErrorCode::kUnsupported, kWhere,
           {"config", std::string(file), "rope_type",
            "default, linear, dynamic, yarn, llama3 or longrope", fmt::format("'{}'", *name)});
  }
  return *name;
}

void read_scaling(const Json& scaling, std::string_view file, RopeConfig& rope) {
  rope.type = rope_type(scaling, file);
  rope.theta = json_get(scaling, "rope_theta", rope.theta, kWhere, file);
  const auto require = [&](const char* key) {
    if (scaling.contains(key) && !scaling[key].is_null()) return;
    refuse(
        ErrorCode::kCorrupt, kWhere,
        {"config", std::string(file), fmt::format("rope {}: {}", rope.type, key), "a number", ""});
  };
  if (rope.type == "linear" || rope.type == "dynamic" || rope.type == "yarn") require("factor");
  if (rope.type == "llama3") {
    for (const char* key : {"factor", "low_freq_factor", "high_freq_factor"}) require(key);
  }
  const auto factor = get_optional<double>(scaling, "factor", file);
  rope.factor = factor.value_or(rope.factor);
  rope.factor_stated = factor.has_value();
  rope.low_freq_factor = json_get(scaling, "low_freq_factor", rope.low_freq_factor, kWhere, file);
  rope.high_freq_factor =
      json_get(scaling, "high_freq_factor", rope.high_freq_factor, kWhere, file);
  rope.original_max_position = json_get(scaling, "original_max_position_embeddings",
                                        rope.original_max_position, kWhere, file);
  rope.attention_factor = get_optional<double>(scaling, "attention_factor", file);
  rope.beta_fast = json_get(scaling, "beta_fast", rope.beta_fast, kWhere, file);
  rope.beta_slow = json_get(scaling, "beta_slow", rope.beta_slow, kWhere, file);
  rope.mscale = get_optional<double>(scaling, "mscale", file);
  rope.mscale_all_dim = get_optional<double>(scaling, "mscale_all_dim", file);
  rope.truncate = json_get(scaling, "truncate", rope.truncate, kWhere, file);
  rope.short_factor = json_get(scaling, "short_factor", rope.short_factor, kWhere, file);
  rope.long_factor = json_get(scaling, "long_factor", rope.long_factor, kWhere, file);
  rope.partial_rotary_factor =
      json_get(scaling, "partial_rotary_factor", rope.partial_rotary_factor, kWhere, file);
}

void check_positive(double value, std::string_view key, std::string_view file) {
  // Frequencies, and what they are divided by, stay finite in float32.
  if (!(value > 1e-6 && value < 1e30)) {
    refuse(ErrorCode::kCorrupt, kWhere,
           {"config", std::string(file), std::string(key), "a positive number, 1e-6 to 1e30",
            fmt::format("{}", value)});
  }
}

}  // namespace

RopeConfig read_rope_config(const Json& config, std::string_view file,
                            std::string_view layer_type) {
  RopeConfig rope;
  rope.theta = json_get(config, "rope_theta", rope.theta, kWhere, file);
  rope.original_max_position = json_get(config, "original_max_position_embeddings",
                                        rope.original_max_position, kWhere, file);
  rope.partial_rotary_factor =
      json_get(config, "partial_rotary_factor", rope.partial_rotary_factor, kWhere, file);
  // Where both stand, the older key counts: people add it to files of either style.
  const Json* scaling = find_object(config, "rope_scaling", file);
  if (!scaling || scaling->empty()) scaling = find_object(config, "rope_parameters", file);
  if (scaling && !layer_type.empty()) {
    const Json* own = find_object(*scaling, std::string(layer_type).c_str(), file);
    if (own) scaling = own;
  }
  if (scaling) read_scaling(*scaling, file, rope);
  check_positive(rope.theta, "rope_theta", file);
  check_positive(rope.factor, "factor", file);
  check_positive(rope.partial_rotary_factor, "partial_rotary_factor", file);
  for (const Json* of : {&config, scaling}) {
    if (rope.type != "yarn" || get_optional<int64_t>(*of, kTrained, file).value_or(1) > 0) continue;
    refuse(ErrorCode::kCorrupt, kWhere,
           {"config", std::string(file), kTrained, "1 or more", (*of)[kTrained].dump()});
  }
  if (rope.type == "dynamic" && rope.factor < 1) {
    refuse(ErrorCode::kCorrupt, kWhere,
           {"config", std::string(file), "factor", "1 or more for 'dynamic'",
            fmt::format("{}", rope.factor)});
  }
  if (rope.type == "llama3") {
    check_positive(rope.low_freq_factor, "low_freq_factor", file);
    check_positive(rope.high_freq_factor, "high_freq_factor", file);
    if (rope.original_max_position <= 0 || rope.low_freq_factor >= rope.high_freq_factor) {
      refuse(ErrorCode::kCorrupt, kWhere,
             {"config", std::string(file), "rope_scaling",
              "original_max_position_embeddings > 0 and low_freq_factor < high_freq_factor",
              fmt::format("{}, {} and {}", rope.original_max_position, rope.low_freq_factor,
                          rope.high_freq_factor)});
    }
  }
  return rope;
}

int64_t rotary_dim(const RopeConfig& rope, int64_t head_dim) {
  // 30 / 44 * 44 is a little less than 30 in doubles.
  return static_cast<int64_t>(static_cast<double>(head_dim) * rope.partial_rotary_factor + 1e-6);
}

std::optional<DType> read_config_dtype(const Json& config, std::string_view file) {
  auto name = get_optional<std::string>(config, "dtype", file);
  if (!name) name = get_optional<std::string>(config, "torch_dtype", file);
  if (!name || *name == "auto") return std::nullopt;
  constexpr std::string_view kPrefix = "torch.";
  const std::string_view plain =
      name->starts_with(kPrefix) ? std::string_view(*name).substr(kPrefix.size()) : *name;
  if (auto dtype = parse_dtype(plain); dtype && is_float(*dtype)) return dtype;
  refuse(ErrorCode::kUnsupported, kWhere,
         {"config", std::string(file), config.contains("dtype") ? "dtype" : "torch_dtype",
          "float32, bfloat16, float16 or float64", fmt::format("'{}'", *name)});
}

GenerationDefaults read_generation_defaults(const Json& generation, const Json& config,
                                            std::string_view file, std::string_view config_file) {
  // A vocab_size that is no number is refused where the model's own file is read.
  const bool sized = config.is_object() && config.contains("vocab_size") &&
                     config["vocab_size"].is_number_integer();
  const int64_t vocab_size = sized ? config["vocab_size"].get<int64_t>() : 0;
  GenerationDefaults out = generation_defaults_from_json(generation, file, vocab_size);
  if (!config.is_object()) return out;
  Json ids = Json::object();
  const auto take = [&](const char* key, bool given) {
    if (!given && config.contains(key)) ids[key] = config[key];
  };
  take("eos_token_id", !out.eos_ids.empty());
  take("bos_token_id", out.bos_id.has_value());
  take("pad_token_id", out.pad_id.has_value());
  const GenerationDefaults older = generation_defaults_from_json(ids, config_file, vocab_size);
  if (out.eos_ids.empty()) out.eos_ids = older.eos_ids;
  if (!out.bos_id) out.bos_id = older.bos_id;
  if (!out.pad_id) out.pad_id = older.pad_id;
  return out;
}

std::string read_chat_template(const Json& tokenizer_config, std::string_view file) {
  if (!tokenizer_config.is_object()) return {};
  auto it = tokenizer_config.find("chat_template");
  if (it == tokenizer_config.end() || it->is_null()) return {};
  if (it->is_string()) return it->get<std::string>();
  if (!it->is_array()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: 'chat_template': expected a string or a list, found {}",
         file, it->type_name());
  }
  for (const Json& entry : *it) {
    if (json_require<std::string>(entry, "name", kWhere, file) == "default") {
      return json_require<std::string>(entry, "template", kWhere, file);
    }
  }
  return {};
}

HfFiles read_hf_files(const std::string& directory) {
  HfFiles out;
  auto path_of = [&](const char* name) { return (fs::path(directory) / name).string(); };
  auto read_optional = [&](const char* name, size_t limit) -> std::string {
    std::error_code error;
    if (!fs::exists(path_of(name), error) && !error) return {};
    out.names.emplace_back(name);
    std::string text = read_regular_file(path_of(name), limit);
    refuse_stand_in(std::as_bytes(std::span(text)), kWhere, path_of(name), "a file of the model");
    return text;
  };
  auto read_object = [&](const char* name) {
    const std::string text = read_optional(name, kMaxConfigBytes);
    if (out.names.empty() || out.names.back() != name) return Json();
    Json object = parse_json(text, kWhere, path_of(name));
    if (!object.is_object()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: expected an object, found {}", path_of(name),
           object.type_name());
    }
    return object;
  };
  out.config = read_object("config.json");
  if (out.config.is_null()) {
    fail(ErrorCode::kNotFound, kWhere, "{}: config.json is missing", directory);
  }
  out.generation_config = read_object("generation_config.json");
  out.tokenizer_json = read_optional("tokenizer.json", kMaxTokenizerBytes);
  if (out.tokenizer_json.empty()) out.tokenizer_file_name = find_tokenizer_file(directory);
  const bool bare = !out.tokenizer_file_name.empty();
  if (bare) out.tokenizer_file = read_optional(out.tokenizer_file_name.c_str(), kMaxTokenizerBytes);
  out.tokenizer_config_json = read_optional("tokenizer_config.json", kMaxConfigBytes);
  const bool has_tokenizer_config =
      !out.names.empty() && out.names.back() == "tokenizer_config.json";
  out.chat_template = read_optional("chat_template.jinja", kMaxTemplateBytes);
  if (out.chat_template.empty() && has_tokenizer_config) {
    const std::string file = path_of("tokenizer_config.json");
    out.chat_template =
        read_chat_template(parse_json(out.tokenizer_config_json, kWhere, file), file);
  }
  if (bare) {
    out.tokenizer_config_json = complete_tokenizer_config(
        {out.tokenizer_config_json, read_optional("added_tokens.json", kMaxConfigBytes),
         read_optional("special_tokens_map.json", kMaxConfigBytes), out.config.dump(),
         out.generation_config.is_null() ? "" : out.generation_config.dump()},
        directory);
  }
  std::sort(out.names.begin(), out.names.end());
  return out;
}

}  // namespace ingot
