#include "loaders/hub_names.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "loaders/sharded_weights.h"
#include "text/tokenizer_files.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "loaders/hub";

constexpr std::string_view kSentenceModules = "modules.json";

// Files beside the weights that loading or running a model may read.
constexpr std::string_view kSmallFiles[] = {"config.json",
                                            "generation_config.json",
                                            "tokenizer.json",
                                            "tokenizer_config.json",
                                            "vocab.json",
                                            "merges.txt",
                                            "added_tokens.json",
                                            "chat_template.jinja",
                                            "special_tokens_map.json",
                                            kSentenceModules,
                                            "config_sentence_transformers.json",
                                            "sentence_bert_config.json",
                                            "sentence_roberta_config.json",
                                            "sentence_xlm-roberta_config.json"};

// Of a module of a sentence-transformers folder: "1_Pooling/config.json".
bool is_module_config(const std::string& file) {
  const size_t slash = file.find('/');
  return slash != std::string::npos && file.substr(slash) == "/config.json" &&
         std::isdigit(static_cast<unsigned char>(file[0])) != 0;
}

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= 96 && text != "." && text != ".." &&
         text.find("--") == std::string_view::npos && text.find("..") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
         });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool contains(const std::vector<std::string>& files, std::string_view name) {
  return std::find(files.begin(), files.end(), name) != files.end();
}

// `tag` in `name` with no letter or digit right before or after it: Q4_0 is not in "IQ4_0_4".
bool holds_tag(std::string_view name, std::string_view tag) {
  const std::string text = lower(name);
  const std::string wanted = lower(tag);
  const auto joins = [&](size_t at) {
    return at < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[at])) || text[at] == '_');
  };
  for (size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) {
    if ((at == 0 || !joins(at - 1)) && !joins(at + wanted.size())) return true;
  }
  return false;
}

// "model-00001-of-00003.gguf" -> "model", else the name without its ending.
std::string split_base(const std::string& name) {
  std::string base = name.substr(0, name.size() - std::string_view(".gguf").size());
  const size_t of = base.rfind("-of-");
  const size_t dash = of == std::string::npos || of == 0 ? of : base.rfind('-', of - 1);
  const auto digits = [&](size_t from, size_t to) {
    return to > from && std::all_of(base.begin() + static_cast<ptrdiff_t>(from),
                                    base.begin() + static_cast<ptrdiff_t>(to),
                                    [](char c) { return c >= '0' && c <= '9'; });
  };
  if (of != std::string::npos && dash != std::string::npos && digits(dash + 1, of) &&
      digits(of + 4, base.size())) {
    base.resize(dash);
  }
  return base;
}

constexpr std::string_view kSafetensorsIndex = "model.safetensors.index.json";
constexpr std::string_view kTorchIndex = "pytorch_model.bin.index.json";

std::vector<std::string> select_gguf(const std::vector<std::string>& files, const HubName& name) {
  std::vector<std::string> all;
  std::vector<std::string> matching;
  std::set<std::string> models;
  for (const std::string& file : files) {
    if (!file.ends_with(".gguf")) continue;
    all.push_back(file);
    if (!name.tag.empty() && !holds_tag(file, name.tag)) continue;
    matching.push_back(file);
    models.insert(split_base(file));
  }
  if (all.empty()) {
    fail(ErrorCode::kNotFound, kWhere,
         "{}: expected safetensors, pytorch_model.bin or .gguf files, found none of {}", name.repo,
         files.size());
  }
  if (models.size() != 1) {
    fail(ErrorCode::kNotFound, kWhere,
         "{}: {} .gguf files match '{}'; name one as {}:TAG out of {}", name.repo, models.size(),
         name.tag, name.repo, fmt::join(all, ", "));
  }
  return matching;
}

}  // namespace

bool is_shard_index(std::string_view file) {
  return file == kSafetensorsIndex || file == kTorchIndex;
}

bool looks_like_hub_name(std::string_view text) {
  const std::string_view repo = text.substr(0, text.find_first_of("@:"));
  const size_t slash = repo.find('/');
  return slash != std::string_view::npos && is_word(repo.substr(0, slash)) &&
         is_word(repo.substr(slash + 1));
}

HubName parse_hub_name(std::string_view text, std::string_view default_revision) {
  if (!looks_like_hub_name(text)) {
    fail(ErrorCode::kInvalidArgument, kWhere,
         "'{}': expected org/name, org/name@revision or org/name:TAG", text);
  }
  HubName name{.repo = std::string(text.substr(0, text.find_first_of("@:"))),
               .revision = std::string(default_revision),
               .tag = ""};
  std::string_view rest = text.substr(name.repo.size());
  if (rest.starts_with('@')) {
    const size_t end = std::min(rest.find(':'), rest.size());
    name.revision = rest.substr(1, end - 1);
    rest.remove_prefix(end);
  }
  if (rest.starts_with(':')) {
    name.tag = rest.substr(1);
    if (!is_word(name.tag)) {
      fail(ErrorCode::kInvalidArgument, kWhere, "'{}': expected a tag after ':'", text);
    }
  }
  if (!is_safe_path(name.revision)) {
    fail(ErrorCode::kInvalidArgument, kWhere, "'{}': '{}' is not a revision", text, name.revision);
  }
  return name;
}

bool is_safe_path(std::string_view path) {
  if (path.empty() || path.size() > 1024 || path.front() == '/' || path.back() == '/') return false;
  for (char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') return false;
  }
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    begin = end + 1;
  }
  return true;
}

std::vector<std::string> select_files(const std::vector<std::string>& files, const HubName& name,
                                      const std::string& file) {
  if (!file.empty()) {
    if (!contains(files, file)) {
      fail(ErrorCode::kNotFound, kWhere, "{}@{}: '{}' is not among its {} files", name.repo,
           name.revision, file, files.size());
    }
    return {file};
  }
  if (!name.tag.empty()) return select_gguf(files, name);
  std::vector<std::string> wanted;
  for (std::string_view small : kSmallFiles) {
    if (contains(files, small)) wanted.emplace_back(small);
  }
  if (contains(files, kSentenceModules)) {
    std::copy_if(files.begin(), files.end(), std::back_inserter(wanted), is_module_config);
  }
  if (!contains(files, "tokenizer.json")) {
    if (std::string other = choose_tokenizer_file(files); !other.empty()) wanted.push_back(other);
  }
  const size_t before = wanted.size();
  const auto take_first = [&](std::initializer_list<std::string_view> names) {
    for (std::string_view weights : names) {
      if (!contains(files, weights)) continue;
      wanted.emplace_back(weights);
      return;
    }
  };
  take_first({kSafetensorsIndex, "model.safetensors"});
  if (wanted.size() > before) return wanted;
  std::copy_if(files.begin(), files.end(), std::back_inserter(wanted), is_model_safetensors);
  if (wanted.size() > before) return wanted;
  take_first({kTorchIndex, "pytorch_model.bin"});
  if (wanted.size() > before) return wanted;
  return select_gguf(files, name);
}

std::vector<std::string> shards_of_index(const std::string& path) {
  const Json json = parse_json(read_file(path, size_t{256} << 20), kWhere, path);
  const auto map = json.find("weight_map");
  if (map == json.end() || !map->is_object()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: 'weight_map': expected an object", path);
  }
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string() || !is_safe_path(shard.get<std::string>())) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: '{}': expected a file name, found {}", path, tensor,
           shard.type_name());
    }
    shards.insert(shard.get<std::string>());
  }
  return {shards.begin(), shards.end()};
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1));
}

}  // namespace ingot
