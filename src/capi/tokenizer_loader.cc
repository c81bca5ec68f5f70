#include "capi/tokenizer_loader.h"

#include "base/byte_reader.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mapped_file.h"
#include "capi/model_loader.h"
#include "engine/container.h"
#include "loaders/hub.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "capi/tokenizer_loader";

bool starts_like_gguf(const std::string& path) {
  const auto file = MappedFile::open(path);
  ByteReader reader(file->bytes(), kWhere, path);
  return reader.remaining() >= 4 && reader.text(4, "magic") == "GGUF";
}

// The directory's tokenizer without looking at its weights; empty when it has no tokenizer.json.
std::string directory_spec(const std::string& directory) {
  const std::string json = directory + "/tokenizer.json";
  if (!is_regular_file(json)) return {};
  const std::string config = directory + "/tokenizer_config.json";
  TokenizerConfig parsed;
  if (is_regular_file(config)) parsed = parse_tokenizer_config(read_file(config), config);
  return make_tokenizer_spec(read_file(json), parsed);
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
    const std::string spec = directory_spec(path);
    if (spec.empty()) return Tokenizer::load(std::string_view(source_spec(path)), path);
    return Tokenizer::load(std::string_view(spec), path + "/tokenizer.json");
  }
  if (looks_like_container(path)) {
    const auto file = Container::open(path);
    if (!file->has("extra.tokenizer")) {
      fail(ErrorCode::kNotFound, kWhere, "{}: expected a section 'tokenizer', found none", path);
    }
    return Tokenizer::load(file->section("extra.tokenizer"), path);
  }
  if (starts_like_gguf(path)) return Tokenizer::load(std::string_view(source_spec(path)), path);
  for (const auto& [ending, format] :
       {std::pair(".model", "SentencePiece"), std::pair(".tiktoken", "tiktoken")}) {
    if (!path.ends_with(ending)) continue;
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: {} files ({}) are not supported; expected a tokenizer.json", path, format, ending);
  }
  if (path.ends_with(".json")) return Tokenizer::load(std::string_view(read_file(path)), path);
  fail(ErrorCode::kUnsupported, kWhere,
       "{}: expected an engine, a GGUF file, a tokenizer.json or a model directory, found {}", path,
       describe_path(path));
}

}  // namespace ingot
