#include "base/embedding_rules.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "base/embedding_rules";
constexpr int64_t kMostOfEach = int64_t{1} << 31;  // tokens, and numbers of a vector

std::vector<int64_t> read_dimensions(const Json& object, const char* key, std::string_view file) {
  auto out = json_get(object, key, std::vector<int64_t>(), kWhere, file);
  for (const int64_t length : out) {
    if (length >= 1 && length <= kMostOfEach) continue;
    fail(ErrorCode::kCorrupt, kWhere, "{}: '{}': expected 1 to {}, found {}", file, key,
         kMostOfEach, length);
  }
  return out;
}

}  // namespace

std::string_view pooling_name(Pooling pooling) {
  switch (pooling) {
    case Pooling::kMean:
      return "mean";
    case Pooling::kFirst:
      return "cls";
    case Pooling::kLast:
      return "last";
  }
  return "unknown";
}

std::optional<Pooling> parse_pooling(std::string_view name) {
  for (const Pooling pooling : {Pooling::kMean, Pooling::kFirst, Pooling::kLast}) {
    if (name == pooling_name(pooling)) return pooling;
  }
  return std::nullopt;
}

Json embedding_rules_to_json(const EmbeddingRules& rules) {
  Json out = {{"pooling", pooling_name(rules.pooling)},
              {"normalize", rules.normalize},
              {"max_tokens", rules.max_tokens}};
  if (!rules.prompt.empty()) out["prompt"] = rules.prompt;
  if (!rules.dimensions.empty()) out["dimensions"] = rules.dimensions;
  if (rules.any_dimensions) out["any_dimensions"] = true;
  return out;
}

EmbeddingRules embedding_rules_from_json(const Json& json, std::string_view file) {
  if (!json.is_object()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: expected an object, found {}", file, json.type_name());
  }
  EmbeddingRules out;
  const auto pooling = json_require<std::string>(json, "pooling", kWhere, file);
  const std::optional<Pooling> parsed = parse_pooling(pooling);
  if (!parsed) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: 'pooling': expected mean, cls or last, found '{}'", file,
         pooling);
  }
  out.pooling = *parsed;
  out.normalize = json_require<bool>(json, "normalize", kWhere, file);
  out.max_tokens = json_get(json, "max_tokens", int64_t{0}, kWhere, file);
  if (out.max_tokens < 0 || out.max_tokens > kMostOfEach) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: 'max_tokens': expected 0 to {}, found {}", file,
         kMostOfEach, out.max_tokens);
  }
  out.prompt = json_get(json, "prompt", std::string(), kWhere, file);
  out.dimensions = read_dimensions(json, "dimensions", file);
  out.any_dimensions = json_get(json, "any_dimensions", false, kWhere, file);
  return out;
}

void read_matryoshka(const Json& config, std::string_view file, EmbeddingRules& rules) {
  if (!config.is_object()) return;
  rules.dimensions = read_dimensions(config, "matryoshka_dimensions", file);
  rules.any_dimensions =
      rules.dimensions.empty() && json_get(config, "is_matryoshka", false, kWhere, file);
}

}  // namespace ingot
