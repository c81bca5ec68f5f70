#include "loaders/checkpoint.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "loaders/safetensors.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWhere = "loaders/checkpoint";
constexpr int64_t kMaxSize = int64_t{1} << 31;  // of any size field

std::string weights_file(const std::string& directory) {
  return (fs::path(directory) / "rank0.safetensors").string();
}

int64_t require_size(const Json& config, const char* key, std::string_view file) {
  const auto value = json_require<int64_t>(config, key, kWhere, file);
  if (value < 1 || value > kMaxSize) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: '{}': expected 1 to {}, found {}", file, key, kMaxSize,
         value);
  }
  return value;
}

// Puts `fallback` where the key is absent, or null while the fallback is not.
void set_default(Json& object, const char* key, const Json& fallback) {
  auto it = object.find(key);
  if (it == object.end()) {
    object[key] = fallback;
  } else if (it->is_null()) {
    *it = fallback;
  }
}

Json& object_field(Json& config, const char* key, std::string_view file) {
  set_default(config, key, Json::object());
  if (!config[key].is_object()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: '{}': expected an object, found {}", file, key,
         config[key].type_name());
  }
  return config[key];
}

void complete_mapping(Json& config, std::string_view file) {
  Json& mapping = object_field(config, "mapping", file);
  for (const char* key : {"tp_size", "pp_size"}) {
    set_default(mapping, key, 1);
    require_size(mapping, key, file);
  }
  const int64_t ranks = mapping["tp_size"].get<int64_t>() * mapping["pp_size"].get<int64_t>();
  set_default(mapping, "world_size", ranks);
  if (require_size(mapping, "world_size", file) != ranks) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: 'mapping': expected world_size = tp_size x pp_size = {}, found {}", file, ranks,
         mapping["world_size"].get<int64_t>());
  }
}

void check_name(const Json& object, const char* key, std::span<const std::string_view> known,
                std::string_view file) {
  if (object.at(key).is_null()) return;
  const auto name = json_require<std::string>(object, key, kWhere, file);
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: '{}': expected one of {}, found '{}'", file, key,
         fmt::join(known, ", "), name);
  }
}

void complete_quantization(Json& config, std::string_view file) {
  constexpr std::array<std::string_view, 7> kAlgorithms = {
      "W8A16", "W4A16", "W4A16_AWQ", "W4A8_AWQ", "W4A16_GPTQ", "FP8", "W8A8_SQ_PER_CHANNEL"};
  constexpr std::array<std::string_view, 2> kCacheAlgorithms = {"FP8", "INT8"};
  Json& quantization = object_field(config, "quantization", file);
  set_default(quantization, "quant_algo", nullptr);
  set_default(quantization, "kv_cache_quant_algo", nullptr);
  set_default(quantization, "group_size", 64);
  set_default(quantization, "has_zero_point", false);
  set_default(quantization, "pre_quant_scale", false);
  set_default(quantization, "exclude_modules", Json::array());
  check_name(quantization, "quant_algo", kAlgorithms, file);
  check_name(quantization, "kv_cache_quant_algo", kCacheAlgorithms, file);
  require_size(quantization, "group_size", file);
  json_require<bool>(quantization, "has_zero_point", kWhere, file);
  json_require<bool>(quantization, "pre_quant_scale", kWhere, file);
  json_require<std::vector<std::string>>(quantization, "exclude_modules", kWhere, file);
}

// The logical type and shape of a block-encoded tensor from its metadata entry.
WeightInfo decode_block_entry(const WeightInfo& stored, const std::string& text,
                              const std::string& file) {
  const std::string place = fmt::format("{}: __metadata__: '{}'", file, stored.name);
  const Json entry = parse_json(text, kWhere, place);
  const auto format = json_require<std::string>(entry, "format", kWhere, place);
  const BlockFormat* block = find_block_format(format);
  if (!block) fail(ErrorCode::kUnsupported, kWhere, "{}: block format '{}'", place, format);
  WeightInfo info = stored;
  info.type = ElementType(*block);
  info.shape = json_require<std::vector<int64_t>>(entry, "shape", kWhere, place);
  uint64_t elements = 1;
  for (int64_t dim : info.shape) {
    if (dim < 0 || __builtin_mul_overflow(elements, static_cast<uint64_t>(dim), &elements) ||
        elements > uint64_t{1} << 58) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: shape {}: expected at most 2^58 elements", place,
           shape_text(info.shape));
    }
  }
  const bool whole_blocks = !info.shape.empty() && info.shape.back() % block->block_elements == 0;
  if (!whole_blocks ||
      static_cast<uint64_t>(info.type.bytes(static_cast<int64_t>(elements))) !=
          stored.bytes.size() ||
      stored.type != ElementType(DType::kUInt8)) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: expected uint8 data of {} blocks of {} for shape {}, found {} with {} bytes", place,
         format, block->block_elements, shape_text(info.shape), stored.type.name(),
         stored.bytes.size());
  }
  return info;
}

class CheckpointWeights : public WeightTable {
 public:
  explicit CheckpointWeights(std::shared_ptr<const SafetensorsFile> file)
      : WeightTable(file->origin()), file_(std::move(file)) {
    for (const auto& entry : file_->entries()) {
      auto it = file_->metadata().find(entry->name);
      add(it == file_->metadata().end() ? *entry
                                        : decode_block_entry(*entry, it->second, origin()));
    }
    for (const auto& mapped : file_->files()) add_file(mapped);
  }

 private:
  std::shared_ptr<const SafetensorsFile> file_;  // may own aligned copies that entries view
};

}  // namespace

bool is_checkpoint(const Json& config, const std::string& directory) {
  if (!config.is_object() || !config.contains("architecture")) return false;
  return is_regular_file(weights_file(directory)) ||
         (config.contains("dtype") && !config.contains("architectures") &&
          !config.contains("model_type"));
}

Json complete_checkpoint_config(const Json& config, std::string_view file) {
  constexpr std::array<std::string_view, 3> kDTypes = {"float32", "float16", "bfloat16"};
  if (!config.is_object()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: expected an object, found {}", file, config.type_name());
  }
  Json out = config;
  for (const char* key : {"architecture", "dtype", "hidden_act"}) {
    json_require<std::string>(out, key, kWhere, file);
  }
  check_name(out, "dtype", kDTypes, file);
  set_default(out, "logits_dtype", "float32");
  check_name(out, "logits_dtype", kDTypes, file);
  require_size(out, "vocab_size", file);
  const int64_t hidden = require_size(out, "hidden_size", file);
  require_size(out, "num_hidden_layers", file);
  const int64_t heads = require_size(out, "num_attention_heads", file);
  set_default(out, "max_position_embeddings", nullptr);
  if (!out["max_position_embeddings"].is_null()) {
    require_size(out, "max_position_embeddings", file);
  }
  set_default(out, "num_key_value_heads", heads);
  require_size(out, "num_key_value_heads", file);
  set_default(out, "intermediate_size", 4 * hidden);
  require_size(out, "intermediate_size", file);
  set_default(out, "norm_epsilon", 1e-5);
  json_require<double>(out, "norm_epsilon", kWhere, file);
  set_default(out, "position_embedding_type", "learned_absolute");
  json_require<std::string>(out, "position_embedding_type", kWhere, file);
  set_default(out, "use_parallel_embedding", false);
  json_require<bool>(out, "use_parallel_embedding", kWhere, file);
  set_default(out, "embedding_sharding_dim", 0);
  json_require<int64_t>(out, "embedding_sharding_dim", kWhere, file);
  set_default(out, "share_embedding_table", false);
  json_require<bool>(out, "share_embedding_table", kWhere, file);
  complete_mapping(out, file);
  complete_quantization(out, file);
  return out;
}

std::shared_ptr<const WeightSource> open_checkpoint_weights(const std::string& directory,
                                                            const Json& config) {
  const auto ranks = config.at("mapping").at("world_size").get<int64_t>();
  if (ranks != 1) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: mapping.world_size: expected 1, found {} (checkpoints of several ranks cannot be "
         "merged yet)",
         directory, ranks);
  }
  const std::string file = weights_file(directory);
  if (!is_regular_file(file)) {
    fail(ErrorCode::kNotFound, kWhere, "{}: expected the checkpoint's weights, found {}", file,
         describe_path(file));
  }
  return std::make_shared<CheckpointWeights>(SafetensorsFile::open(file));
}

std::vector<const WeightInfo*> checkpoint_segments(const WeightSource& weights,
                                                   std::string_view name) {
  if (const WeightInfo* whole = weights.find(name)) return {whole};
  std::vector<const WeightInfo*> segments;
  while (const WeightInfo* segment =
             weights.find(fmt::format("{}.segment.{}", name, segments.size()))) {
    segments.push_back(segment);
  }
  if (segments.empty()) weights.require(name);
  return segments;
}

}  // namespace ingot
