#include "base/tokenizer_files.h"

#include <filesystem>

#include "base/error.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kFavourite = "tokenizer.model";
// Begin like a tokenizer's file and are another thing.
constexpr std::string_view kOthers[] = {"tokenizer.json", "tokenizer.jinja",
                                        "tokenizer.gguf-vocab"};

}  // namespace

bool is_tokenizer_file(std::string_view name) {
  if (name.find('/') != name.npos) return false;
  for (const std::string_view other : kOthers) {
    if (name == other) return false;
  }
  return name == "vocab.txt" || name == "tekken.json" || name.starts_with("tokenizer.") ||
         name.ends_with(".model") || name.ends_with(".tiktoken") || name.ends_with(".spm");
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
    fail(ErrorCode::kIo, "base/tokenizer_files", "{}: {}", directory, error.message());
  }
  return choose_tokenizer_file(names);
}

}  // namespace ingot
