#include "loaders/sentence_files.h"

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "loaders/hub_names.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWhere = "loaders/sentence_files";
constexpr size_t kMaxBytes = size_t{1} << 20;  // of each file
constexpr size_t kMaxModules = 64;

// A model that is whole, and asks for what is not computed here.
struct Refused {
  std::string why;
};

class SentenceReader {
 public:
  SentenceReader(const std::string& directory, const Json& config)
      : directory_(directory), config_(config) {}

  SentenceFiles read() {
    const Json modules = object("modules.json");
    if (modules.is_null()) return {};
    EmbeddingRules rules;
    rules.normalize = false;
    try {
      read_modules(modules, rules);
      read_prompt(rules);
      read_matryoshka(config_, path_of("config.json"), rules);
      out_.rules = std::move(rules);
    } catch (const Refused& refused) {
      out_.refused = refused.why;
    }
    return std::move(out_);
  }

 private:
  std::string path_of(const std::string& name) const {
    return (fs::path(directory_) / name).string();
  }

  // A file's JSON; null where there is no such file.
  Json object(const std::string& name) {
    const std::string path = path_of(name);
    std::error_code error;
    if (!fs::exists(path, error) && !error) return {};
    std::string text = read_regular_file(path, kMaxBytes);
    Json out = parse_json(text, kWhere, path);
    const bool list = name == "modules.json";
    if (list ? !out.is_array() : !out.is_object()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: expected {}, found {}", path,
           list ? "a list" : "an object", out.type_name());
    }
    out_.files.emplace_back(name, std::move(text));
    return out;
  }

  [[noreturn]] void refuse(const std::string& name, std::string_view expected,
                           std::string_view found) const {
    throw Refused{fmt::format("{}: expected {}, found {}", path_of(name), expected, found)};
  }

  // In order: what is read, what is made of it, its length.
  void read_modules(const Json& modules, EmbeddingRules& rules) {
    const std::string file = path_of("modules.json");
    if (modules.size() > kMaxModules) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: expected at most {} modules, found {}", file,
           kMaxModules, modules.size());
    }
    size_t place = 0;
    for (const Json& module : modules) {
      if (!module.is_object()) {
        fail(ErrorCode::kCorrupt, kWhere, "{}: expected objects, found {}", file,
             module.type_name());
      }
      const auto type = json_require<std::string>(module, "type", kWhere, file);
      const auto path = json_get(module, "path", std::string(), kWhere, file);
      if (!path.empty() && !is_safe_path(path)) {
        fail(ErrorCode::kCorrupt, kWhere, "{}: 'path': expected a folder in it, found '{}'", file,
             path);
      }
      const std::string kind = type.substr(type.rfind('.') + 1);
      if (kind == "Transformer" && place == 0) {
        if (!path.empty()) refuse("modules.json", "the model in the folder itself", path);
        read_length(rules);
      } else if (kind == "Pooling" && place == 1) {
        read_pooling(path, rules);
      } else if (kind == "Normalize" && place >= 2) {
        rules.normalize = true;
      } else {
        refuse("modules.json", "Transformer, Pooling and Normalize, in this order",
               fmt::format("'{}' as number {}", type, place + 1));
      }
      ++place;
    }
    if (place < 2) refuse("modules.json", "Transformer and Pooling", fmt::format("{}", place));
  }

  void read_length(EmbeddingRules& rules) {
    for (const char* name : {"sentence_bert_config.json", "sentence_roberta_config.json",
                             "sentence_xlm-roberta_config.json"}) {
      const Json json = object(name);
      if (json.is_null()) continue;
      const std::string file = path_of(name);
      rules.max_tokens = json_get(json, "max_seq_length", int64_t{0}, kWhere, file);
      constexpr int64_t kMost = int64_t{1} << 31;
      if (rules.max_tokens < 0 || rules.max_tokens > kMost) {
        fail(ErrorCode::kCorrupt, kWhere, "{}: 'max_seq_length': expected 1 to {}, found {}", file,
             kMost, rules.max_tokens);
      }
      if (json_get(json, "do_lower_case", false, kWhere, file)) {
        refuse(name, "do_lower_case false", "true");
      }
      return;
    }
  }

  void read_pooling(const std::string& folder, EmbeddingRules& rules) {
    const std::string name = folder + "/config.json";
    const Json json = object(name);
    if (json.is_null()) {
      fail(ErrorCode::kNotFound, kWhere, "{}: named by modules.json, and not there", path_of(name));
    }
    const std::string file = path_of(name);
    constexpr std::string_view kPrefix = "pooling_mode_";
    std::vector<std::string> modes;
    for (const auto& [key, value] : json.items()) {
      if (key.starts_with(kPrefix) && json_require<bool>(json, key, kWhere, file)) {
        modes.push_back(key.substr(kPrefix.size()));
      }
    }
    // Newer files name it.
    const auto named = json_get(json, "pooling_mode", std::string(), kWhere, file);
    if (!named.empty()) modes = {named};
    const std::string mode = modes.size() == 1 ? modes[0] : fmt::format("{}", modes.size());
    if (mode == "mean_tokens" || mode == "mean") {
      rules.pooling = Pooling::kMean;
    } else if (mode == "cls_token" || mode == "cls") {
      rules.pooling = Pooling::kFirst;
    } else if (mode == "lasttoken") {
      rules.pooling = Pooling::kLast;
    } else {
      refuse(name, "one way of pooling, of mean, cls and lasttoken", mode);
    }
    include_prompt_ = json_get(json, "include_prompt", true, kWhere, file);
  }

  // Texts get the prompt that the folder says they get where a caller names none.
  void read_prompt(EmbeddingRules& rules) {
    const char* name = "config_sentence_transformers.json";
    const Json json = object(name);
    if (json.is_null()) return;
    const std::string file = path_of(name);
    const auto chosen = json_get(json, "default_prompt_name", std::string(), kWhere, file);
    if (chosen.empty()) return;
    const auto prompts = json.find("prompts");
    if (prompts == json.end() || !prompts->is_object()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: 'prompts': expected an object with '{}'", file,
           chosen);
    }
    rules.prompt = json_require<std::string>(*prompts, chosen, kWhere, file);
    if (!rules.prompt.empty() && !include_prompt_) {
      refuse(name, "a default prompt that is pooled too", fmt::format("'{}'", chosen));
    }
  }

  const std::string& directory_;
  const Json& config_;
  SentenceFiles out_;
  bool include_prompt_ = true;
};

}  // namespace

SentenceFiles read_sentence_files(const std::string& directory, const Json& config) {
  return SentenceReader(directory, config).read();
}

}  // namespace ingot
