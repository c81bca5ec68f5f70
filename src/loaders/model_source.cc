#include "loaders/model_source.h"

#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/byte_reader.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "loaders/loader_def.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWhere = "loaders/model_source";
constexpr size_t kHeadBytes = 16;
constexpr size_t kNamedEntries = 5;  // in messages

// Hashes name, size and modification time of a file.
void hash_stat(Hasher128& hasher, const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    fail(ErrorCode::kIo, kWhere, "{}: {}", path, std::strerror(errno));
  }
  hasher.update(fmt::format("{}\n{} {} {}.{}\n", path, info.st_ino, info.st_size,
                            info.st_mtim.tv_sec, info.st_mtim.tv_nsec));
}

// The header in full and 64 evenly spaced pages of the rest: catches a file of the same size and
// time with other weights at the cost of a quarter megabyte of reading.
void hash_weights(Hasher128& hasher, std::span<const std::byte> bytes, size_t header) {
  constexpr size_t kSamples = 64, kPage = 4096;
  hasher.update(bytes.first(header));
  const auto data = bytes.subspan(header);
  for (size_t i = 0; i < kSamples; ++i) {
    const size_t begin = data.size() / kSamples * i;
    hasher.update(data.subspan(begin, std::min(kPage, data.size() - begin)));
  }
}

size_t header_bytes(const MappedFile& file) {
  ByteReader reader(file.bytes(), kWhere, file.path());
  if (file.path().ends_with(".bin")) return std::min(file.bytes().size(), size_t{1} << 20);
  const auto length = reader.read<uint64_t>("header length");
  return reader.offset() + static_cast<size_t>(std::min<uint64_t>(length, reader.remaining()));
}

std::string identity_of(const ModelSource& source, const std::vector<std::string>& small_files) {
  Hasher128 hasher;
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(source.path, error);
  hasher.update(error ? source.path : canonical.string());
  for (const std::string& path : small_files) {
    hash_stat(hasher, path);
    hasher.update(read_file(path));
  }
  const auto files = source.weights->files();
  std::vector<std::span<const std::byte>> headers;
  if (source.gguf) headers = source.gguf->headers();
  for (size_t i = 0; i < files.size(); ++i) {
    hash_stat(hasher, files[i]->path());
    const size_t header = source.gguf ? headers[i].size() : header_bytes(*files[i]);
    hash_weights(hasher, files[i]->bytes(), header);
  }
  return hasher.digest().hex();
}

std::vector<std::string> entries_of(const std::string& directory) {
  std::vector<std::string> out;
  std::error_code error;
  fs::directory_iterator it(directory, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    out.push_back(it->path().filename().string());
  }
  if (error) fail(ErrorCode::kIo, kWhere, "{}: {}", directory, error.message());
  std::sort(out.begin(), out.end());
  return out;
}

ModelPath look_at(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    fail(ErrorCode::kNotFound, kWhere, "{}: no such file or directory", path);
  }
  if (error) fail(ErrorCode::kIo, kWhere, "{}: {}", path, error.message());
  ModelPath out{.path = path, .is_directory = fs::is_directory(status), .entries = {}, .head = ""};
  if (out.is_directory) {
    out.entries = entries_of(path);
    return out;
  }
  const auto file = MappedFile::open(path);
  ByteReader reader(file->bytes(), kWhere, path);
  out.head = reader.text(std::min(reader.remaining(), kHeadBytes), "first bytes");
  return out;
}

std::string join_phrases(std::span<const LoaderDef* const> loaders,
                         std::string_view LoaderDef::*phrase, std::string_view separator) {
  std::vector<std::string_view> phrases;
  for (const LoaderDef* loader : loaders) {
    if (!(loader->*phrase).empty()) phrases.push_back(loader->*phrase);
  }
  return fmt::format("{}", fmt::join(phrases, separator));
}

[[noreturn]] void refuse_path(const ModelPath& at, std::span<const LoaderDef* const> loaders) {
  if (at.is_directory) {
    const size_t named = std::min(at.entries.size(), kNamedEntries);
    fail(ErrorCode::kNotFound, kWhere, "{}: expected {}, found {} files{}{}{}", at.path,
         join_phrases(loaders, &LoaderDef::folder, " or "), at.entries.size(),
         named > 0 ? ": " : "", fmt::join(at.entries.begin(), at.entries.begin() + named, ", "),
         named < at.entries.size() ? ", ..." : "");
  }
  if (at.path.ends_with(".onnx")) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: expected a language model, found an ONNX network (build, exec, inspect and compare "
         "take those)",
         at.path);
  }
  fail(ErrorCode::kUnsupported, kWhere,
       "{}: expected an engine, {} or .onnx file or a model directory, found {}", at.path,
       join_phrases(loaders, &LoaderDef::file, ", "), describe_path(at.path));
}

}  // namespace

bool ModelPath::has(std::string_view name) const {
  std::error_code error;
  return fs::exists(file(name), error) || error;
}

std::string ModelPath::file(std::string_view name) const {
  return (fs::path(path) / name).string();
}

void add_config_folder(OpenedModel& model, const std::string& directory, HfFiles files) {
  const auto path_of = [&](const std::string& name) {
    return (fs::path(directory) / name).string();
  };
  ModelSource& source = model.source;
  std::vector<std::string> paths;
  paths.reserve(files.names.size());
  for (const std::string& name : files.names) paths.push_back(path_of(name));
  model.small_files.insert(model.small_files.begin(), paths.begin(), paths.end());
  source.tokenizer.tokenizer_json = std::move(files.tokenizer_json);
  source.tokenizer.tokenizer_config_json = std::move(files.tokenizer_config_json);
  source.tokenizer.file_name = std::move(files.tokenizer_file_name);
  source.tokenizer.file = std::move(files.tokenizer_file);
  source.chat_template = std::move(files.chat_template);
  source.generation =
      read_generation_defaults(files.generation_config, source.config,
                               path_of("generation_config.json"), source.config_file);
  source.sentences = read_sentence_files(directory, source.config);
  for (const auto& [name, text] : source.sentences.files) {
    model.small_files.push_back(path_of(name));
  }
}

ModelSource open_model_source(const std::string& path, std::span<const LoaderDef* const> loaders) {
  const ModelPath at = look_at(path);
  const LoaderDef* found = nullptr;
  for (const LoaderDef* loader : loaders) {
    if ((!found || found->last) && loader->claims(at)) found = loader;
  }
  if (!found) refuse_path(at, loaders);
  OpenedModel model = found->open(at);
  model.source.loader = found;
  model.source.identity = identity_of(model.source, model.small_files);
  return std::move(model.source);
}

ModelSource open_model_source(const std::string& path) {
  return open_model_source(path, loaders_loader_list());
}

}  // namespace ingot
