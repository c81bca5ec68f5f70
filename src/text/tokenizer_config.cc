#include "text/tokenizer_config.h"

#include <charconv>

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

// {"32000": {"content": "<pad>", "special": true, ...}, ...}
std::vector<ConfigToken> added_tokens(const Json& root, std::string_view file) {
  std::vector<ConfigToken> out;
  const auto table = root.find("added_tokens_decoder");
  if (table == root.end() || !table->is_object()) return out;
  for (const auto& [key, entry] : table->items()) {
    ConfigToken token;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token.id);
    if (error != std::errc() || end != key.data() + key.size() || token.id < 0 ||
        !entry.is_object()) {
      fail(ErrorCode::kCorrupt, kWhere,
           "{}: 'added_tokens_decoder': expected objects by their ids, found '{}'", file, key);
    }
    token.content = json_require<std::string>(entry, "content", kWhere, file);
    token.single_word = json_get(entry, "single_word", false, kWhere, file);
    token.lstrip = json_get(entry, "lstrip", false, kWhere, file);
    token.rstrip = json_get(entry, "rstrip", false, kWhere, file);
    token.normalized = json_get(entry, "normalized", false, kWhere, file);
    token.special = json_get(entry, "special", false, kWhere, file);
    out.push_back(std::move(token));
  }
  return out;
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
  config.cls_token = token_field(root, "cls_token", file);
  config.sep_token = token_field(root, "sep_token", file);
  config.add_bos_token = flag_field(root, "add_bos_token", file);
  config.add_eos_token = flag_field(root, "add_eos_token", file);
  config.tokenizer_class = json_get(root, "tokenizer_class", std::string(), kWhere, file);
  config.added_tokens = added_tokens(root, file);
  config.do_lower_case = flag_field(root, "do_lower_case", file);
  config.tokenize_chinese_chars = flag_field(root, "tokenize_chinese_chars", file);
  config.strip_accents = flag_field(root, "strip_accents", file);
  config.json = json;
  return config;
}

}  // namespace ingot
