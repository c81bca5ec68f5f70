#include "text/tokenizer_formats/tokenizer_config.h"

#include <charconv>
#include <limits>

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

int32_t number_field(const Json& root, std::string_view key, int32_t absent,
                     std::string_view file) {
  const auto value = json_get<int64_t>(root, key, absent, kWhere, file);
  if (value >= -1 && value <= std::numeric_limits<int32_t>::max()) {
    return static_cast<int32_t>(value);
  }
  fail(ErrorCode::kCorrupt, kWhere, "{}: '{}': expected a number of 32 bits, found {}", file, key,
       value);
}

ConfigToken token_of(const Json& entry, std::string_view file) {
  ConfigToken token;
  token.content = json_require<std::string>(entry, "content", kWhere, file);
  token.single_word = json_get(entry, "single_word", false, kWhere, file);
  token.lstrip = json_get(entry, "lstrip", false, kWhere, file);
  token.rstrip = json_get(entry, "rstrip", false, kWhere, file);
  token.normalized = json_get(entry, "normalized", false, kWhere, file);
  token.special = json_get(entry, "special", false, kWhere, file);
  return token;
}

// {"32000": {"content": "<pad>", "special": true, ...}, ...}
std::vector<ConfigToken> added_tokens(const Json& root, std::string_view file) {
  std::vector<ConfigToken> out;
  const auto table = root.find("added_tokens_decoder");
  if (table == root.end() || !table->is_object()) return out;
  for (const auto& [key, entry] : table->items()) {
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0 || !entry.is_object()) {
      fail(ErrorCode::kCorrupt, kWhere,
           "{}: 'added_tokens_decoder': expected objects by their ids, found '{}'", file, key);
    }
    out.push_back(token_of(entry, file));
    out.back().id = id;
  }
  return out;
}

std::vector<ConfigToken> special_tokens(const Json& root, std::string_view file) {
  std::vector<ConfigToken> out;
  const auto add = [&](const Json& entry) {
    if (entry.is_object()) out.push_back(token_of(entry, file));
    if (entry.is_string()) out.push_back({.content = entry.get<std::string>()});
  };
  for (const char* key : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                          "cls_token", "mask_token"}) {
    if (const auto it = root.find(key); it != root.end()) add(*it);
  }
  const auto list = root.find("additional_special_tokens");
  if (list != root.end() && list->is_array()) {
    for (const Json& entry : *list) add(entry);
  }
  std::erase_if(out, [](const ConfigToken& token) { return token.content.empty(); });
  for (ConfigToken& token : out) token.special = true;
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
  config.special_tokens = special_tokens(root, file);
  config.name_or_path = json_get(root, "name_or_path", std::string(), kWhere, file);
  config.legacy = flag_field(root, "legacy", file);
  config.add_prefix_space = flag_field(root, "add_prefix_space", file);
  config.extra_ids = number_field(root, "extra_ids", config.extra_ids, file);
  config.user_token_id = number_field(root, "user_token_id", config.user_token_id, file);
  config.assistant_token_id =
      number_field(root, "assistant_token_id", config.assistant_token_id, file);
  config.do_lower_case = flag_field(root, "do_lower_case", file);
  config.tokenize_chinese_chars = flag_field(root, "tokenize_chinese_chars", file);
  config.strip_accents = flag_field(root, "strip_accents", file);
  config.json = json;
  return config;
}

}  // namespace ingot
