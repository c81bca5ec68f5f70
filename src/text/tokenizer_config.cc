#include "text/tokenizer_config.h"

#include "base/json.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/tokenizer_config";

std::string token_field(const Json& root, std::string_view key, std::string_view file) {
  const auto it = root.find(std::string(key));
  if (it == root.end() || it->is_null()) return "";
  if (it->is_object()) return json_require<std::string>(*it, "content", kWhere, file);
  return json_require<std::string>(root, key, kWhere, file);
}

std::optional<bool> flag_field(const Json& root, std::string_view key, std::string_view file) {
  const auto it = root.find(std::string(key));
  if (it == root.end() || it->is_null()) return std::nullopt;
  return json_require<bool>(root, key, kWhere, file);
}

}  // namespace

TokenizerConfig parse_tokenizer_config(std::string_view json, std::string_view file) {
  const Json root = parse_json(json, kWhere, file);
  if (!root.is_object()) fail(ErrorCode::kCorrupt, kWhere, "{}: the top is not an object", file);
  TokenizerConfig config;
  config.bos_token = token_field(root, "bos_token", file);
  config.eos_token = token_field(root, "eos_token", file);
  config.unk_token = token_field(root, "unk_token", file);
  config.pad_token = token_field(root, "pad_token", file);
  config.add_bos_token = flag_field(root, "add_bos_token", file);
  config.add_eos_token = flag_field(root, "add_eos_token", file);
  return config;
}

}  // namespace ingot
