#include "base/tokenizer_files.h"

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "base/error.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kFavourite = "tokenizer.model";
// "old.model" or "lid.model" may be anything, so names that end like that are listed whole.
constexpr std::string_view kNames[] = {kFavourite,   "spiece.model",
                                       "spm.model",  "sentencepiece.model",
                                       "vocab.txt",  "sentencepiece.bpe.model",
                                       "tekken.json"};
// The numbers are Mistral's.
constexpr std::string_view kEndings[] = {".tiktoken", ".spm",      ".model.v1",
                                         ".model.v2", ".model.v3", ".model.v7"};

}  // namespace

bool is_tokenizer_file(std::string_view name) {
  if (name.find('/') != name.npos) return false;
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
         std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](std::string_view ending) { return name.ends_with(ending); });
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
