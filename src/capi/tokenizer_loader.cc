#include "capi/tokenizer_loader.h"

#include <fmt/ranges.h>

#include <filesystem>

#include "base/byte_reader.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mapped_file.h"
#include "capi/model_loader.h"
#include "engine/container.h"
#include "loaders/hub.h"
#include "text/tokenizer_files.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "capi/tokenizer_loader";

bool starts_like_gguf(const std::string& path) {
  const auto file = MappedFile::open(path);
  ByteReader reader(file->bytes(), kWhere, path);
  return reader.remaining() >= 4 && reader.text(4, "magic") == "GGUF";
}

// tokenizer_config.json of a directory; empty without it.
TokenizerConfig config_in(const std::string& directory) {
  const std::string path = directory + "/tokenizer_config.json";
  return is_regular_file(path) ? parse_tokenizer_config(read_file(path), path) : TokenizerConfig();
}

std::string file_spec(const std::string& path) {
  const std::filesystem::path parsed = path;
  const std::string folder = parsed.has_parent_path() ? parsed.parent_path().string() : ".";
  const std::string json = read_tokenizer_config(folder);
  const TokenizerConfig config =
      json.empty() ? TokenizerConfig()
                   : parse_tokenizer_config(json, folder + "/tokenizer_config.json");
  return make_tokenizer_spec(read_file(path), parsed.filename().string(), config);
}

// The directory's tokenizer without looking at its weights; null when it has none.
std::unique_ptr<const Tokenizer> directory_tokenizer(const std::string& directory) {
  const std::string json = directory + "/tokenizer.json";
  if (is_regular_file(json)) {
    return Tokenizer::load(make_tokenizer_spec(read_file(json), config_in(directory)), json);
  }
  const std::string name = find_tokenizer_file(directory);
  if (!reads_tokenizer_file(name)) return nullptr;
  return Tokenizer::load(file_spec(directory + "/" + name), directory + "/" + name);
}

std::string source_spec(const std::string& path) {
  const ModelSource source = open_model_source(path);
  const std::string spec = tokenizer_spec(source);
  if (spec.empty()) {
    const std::string why = unsupported_tokenizer(source);
    fail(ErrorCode::kNotFound, kWhere, "{}: expected a tokenizer, found none{}", path,
         why.empty() ? "" : ": " + why);
  }
  return spec;
}

}  // namespace

std::unique_ptr<const Tokenizer> open_tokenizer(const std::string& source) {
  const std::string path = resolve_model(source);
  if (is_directory(path)) {
    auto tokenizer = directory_tokenizer(path);
    return tokenizer ? std::move(tokenizer)
                     : Tokenizer::load(std::string_view(source_spec(path)), path);
  }
  if (looks_like_container(path)) {
    const auto file = Container::open(path);
    if (!file->has("extra.tokenizer")) {
      fail(ErrorCode::kNotFound, kWhere, "{}: expected a section 'tokenizer', found none", path);
    }
    return Tokenizer::load(file->section("extra.tokenizer"), path);
  }
  if (starts_like_gguf(path)) return Tokenizer::load(std::string_view(source_spec(path)), path);
  if (reads_tokenizer_file(path)) return Tokenizer::load(file_spec(path), path);
  if (path.ends_with(".json")) return Tokenizer::load(std::string_view(read_file(path)), path);
  fail(ErrorCode::kUnsupported, kWhere,
       "{}: expected an engine, a GGUF file, a tokenizer.json, a file that ends in {}, or a model "
       "directory, found {}",
       path, fmt::join(tokenizer_file_endings(), ", "), describe_path(path));
}

}  // namespace ingot
