#include "text/tokenizer_files.h"

#include <algorithm>
#include <filesystem>
#include <unordered_set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kWhere = "text/tokenizer_files";
constexpr size_t kMaxConfigBytes = size_t{16} << 20;
constexpr const char* kAdditional = "additional_special_tokens";
constexpr std::string_view kFavourite = "tokenizer.model";

// A name of TokenizerDef::folder_names is the file's: whole, or behind a '*' its end.
bool is_name_of(std::string_view name, std::string_view file) {
  return name.starts_with('*') ? file.ends_with(name.substr(1)) : file == name;
}

Json parse_object(const std::string& text, const std::string& file) {
  if (text.empty()) return Json::object();
  Json out = parse_json(text, kWhere, file);
  if (out.is_object()) return out;
  fail(ErrorCode::kCorrupt, kWhere, "{}: expected an object, found {}", file, out.type_name());
}

// A token is a string or an object with its "content".
std::string content_of(const Json& token) {
  const Json& text = token.is_object() && token.contains("content") ? token["content"] : token;
  return text.is_string() ? text.get<std::string>() : "";
}

// What the map says goes before the configuration; the lists are joined.
void add_special_tokens(const Json& map, Json& config) {
  for (const auto& [key, value] : map.items()) {
    if (key != kAdditional || !value.is_array()) {
      config[key] = value;
      continue;
    }
    Json list = config.contains(kAdditional) && config[kAdditional].is_array() ? config[kAdditional]
                                                                               : Json::array();
    std::unordered_set<std::string> there;
    for (const Json& token : list) there.insert(content_of(token));
    for (const Json& token : value) {
      if (there.insert(content_of(token)).second) list.push_back(token);
    }
    config[kAdditional] = list;
  }
}

// {"<|im_end|>": 32000, ...}; special are those that the configuration names.
void add_added_tokens(const Json& ids, const std::string& file, Json& config) {
  std::unordered_set<std::string> special;
  for (const auto& [key, value] : config.items()) {
    if (key.ends_with("_token")) special.insert(content_of(value));
    if (key != kAdditional || !value.is_array()) continue;
    for (const Json& token : value) special.insert(content_of(token));
  }
  Json& out = config["added_tokens_decoder"] = Json::object();
  for (const auto& [content, id] : ids.items()) {
    if (!id.is_number_unsigned()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: '{}': expected an id, found {}", file, content,
           id.dump());
    }
    const bool is_special = special.count(content) > 0;
    out[id.dump()] = {{"content", content}, {"special", is_special}, {"normalized", !is_special}};
  }
}

}  // namespace

bool is_tokenizer_file(std::string_view name) {
  if (name.find('/') != name.npos) return false;
  return std::ranges::any_of(text_tokenizer_list(), [&](const TokenizerDef* def) {
    return std::ranges::any_of(def->folder_names,
                               [&](std::string_view known) { return is_name_of(known, name); });
  });
}

std::string choose_tokenizer_file(const std::vector<std::string>& names) {
  std::string best;
  for (const std::string& name : names) {
    if (name == kFavourite) return name;
    if (is_tokenizer_file(name) && (best.empty() || name < best)) best = name;
  }
  return best;
}

std::string find_tokenizer_file(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator it(directory, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) names.push_back(it->path().filename().string());
  }
  if (error) {
    fail(ErrorCode::kIo, kWhere, "{}: {}", directory, error.message());
  }
  return choose_tokenizer_file(names);
}

std::string complete_tokenizer_config(const TokenizerCompanions& texts,
                                      const std::string& directory) {
  const auto path = [&](const char* name) { return (fs::path(directory) / name).string(); };
  const Json before = parse_object(texts.tokenizer_config, path("tokenizer_config.json"));
  Json out = before;
  if (!out.contains("added_tokens_decoder")) {
    add_special_tokens(parse_object(texts.special_tokens_map, path("special_tokens_map.json")),
                       out);
    const std::string file = path("added_tokens.json");
    if (!texts.added_tokens.empty()) {
      add_added_tokens(parse_object(texts.added_tokens, file), file, out);
    }
  }
  const auto take = [&](const Json& from, const char* key, const char* as) {
    const bool there = out.contains(as) && !out[as].is_null() && out[as] != "";
    if (!there && from.contains(key) && !from[key].is_null()) out[as] = from[key];
  };
  take(parse_object(texts.config, path("config.json")), "_name_or_path", "name_or_path");
  const Json generation = parse_object(texts.generation_config, path("generation_config.json"));
  for (const char* key : {"user_token_id", "assistant_token_id"}) take(generation, key, key);
  return out == before ? texts.tokenizer_config : out.dump();
}

std::string read_tokenizer_config(const std::string& directory) {
  const auto read = [&](const char* name) {
    const std::string path = (fs::path(directory) / name).string();
    return is_regular_file(path) ? read_file(path, kMaxConfigBytes) : std::string();
  };
  return complete_tokenizer_config(
      {read("tokenizer_config.json"), read("added_tokens.json"), read("special_tokens_map.json"),
       read("config.json"), read("generation_config.json")},
      directory);
}

}  // namespace ingot
