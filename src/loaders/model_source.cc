#include "loaders/model_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/byte_reader.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/refusal.h"
#include "loaders/checkpoint.h"
#include "loaders/gguf_parts.h"
#include "loaders/safetensors.h"
#include "loaders/sharded_weights.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWhere = "loaders/model_source";
constexpr const char* kVocabFile = "tokenizer.gguf-vocab";

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

// As llama.cpp numbers them: 0 none, 1 mean, 2 cls, 3 last, 4 rank.
SentenceFiles gguf_embedding(const GgufFile& file, const std::string& path) {
  const std::string key = fmt::format("{}.pooling_type", file.architecture());
  SentenceFiles out;
  if (!file.has(key)) return out;
  const int64_t type = file.get_int(key, 0);
  constexpr Pooling kByNumber[] = {Pooling::kMean, Pooling::kFirst, Pooling::kLast};
  if (type >= 1 && type <= 3) {
    out.rules.emplace().pooling = kByNumber[type - 1];
  } else if (type != 0) {
    out.refused =
        fmt::format("{}: '{}': expected 1 (mean), 2 (cls) or 3 (last), found {}", path, key, type);
  }
  return out;
}

ModelSource open_gguf(const std::string& path) {
  ModelSource source;
  source.kind = ModelSourceKind::kGguf;
  source.path = source.config_file = path;
  source.gguf = GgufFile::open(path);
  const GgufFile& file = *source.gguf;
  // An adapter or a projector bears the name of the architecture that it belongs to.
  if (const auto type = file.get_string("general.type", "model"); type != "model") {
    refuse(ErrorCode::kUnsupported, kWhere,
           {"architecture", path, "general.type", "model", fmt::format("'{}'", type)});
  }
  source.weights = source.gguf;
  source.architecture = file.architecture();
  if (file.has("tokenizer.ggml.model")) {
    source.tokenizer.gguf = read_gguf_vocab(file);
    source.tokenizer.gguf_file = source.gguf;
    const VocabSource& vocab = *source.tokenizer.gguf;
    for (int32_t id : {vocab.eos_id, vocab.eot_id}) {
      auto& ids = source.generation.eos_ids;
      if (id >= 0 && std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    }
    if (vocab.bos_id >= 0) source.generation.bos_id = vocab.bos_id;
    if (vocab.pad_id >= 0) source.generation.pad_id = vocab.pad_id;
  }
  source.chat_template = file.get_string("tokenizer.chat_template", "");
  source.sentences = gguf_embedding(file, path);
  source.identity = identity_of(source, {});
  return source;
}

// "architectures": ["LlamaForCausalLM"], else "model_type".
std::string hf_architecture(const Json& config, const std::string& file) {
  const auto names = json_get(config, "architectures", std::vector<std::string>(), kWhere, file);
  if (!names.empty()) return names.front();
  const std::string type = json_get(config, "model_type", std::string(), kWhere, file);
  if (type.empty()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: expected 'architectures' or 'model_type', found neither",
         file);
  }
  return type;
}

// A Hugging Face or checkpoint directory. `weights_file` replaces the directory's own weights when
// not empty.
ModelSource open_config_directory(const std::string& directory, const std::string& weights_file) {
  ModelSource source;
  source.path = weights_file.empty() ? directory : weights_file;
  source.config_file = (fs::path(directory) / "config.json").string();
  HfFiles files = read_hf_files(directory);
  source.config = std::move(files.config);
  std::vector<std::string> small_files;
  small_files.reserve(files.names.size());
  for (const std::string& name : files.names) {
    small_files.push_back((fs::path(directory) / name).string());
  }
  const bool checkpoint = weights_file.empty() && is_checkpoint(source.config, directory);
  if (checkpoint) {
    source.kind = ModelSourceKind::kCheckpoint;
    source.config = complete_checkpoint_config(source.config, source.config_file);
    source.architecture = source.config["architecture"].get<std::string>();
    source.weights = open_checkpoint_weights(directory, source.config);
    const std::string vocab = (fs::path(directory) / kVocabFile).string();
    if (is_regular_file(vocab)) {
      source.tokenizer.gguf_file = GgufFile::open(vocab);
      source.tokenizer.gguf = read_gguf_vocab(*source.tokenizer.gguf_file);
      small_files.push_back(vocab);
    }
  } else {
    source.kind = ModelSourceKind::kHuggingFace;
    source.architecture = hf_architecture(source.config, source.config_file);
    source.weights =
        weights_file.empty() ? open_weights_directory(directory) : open_weights_file(weights_file);
  }
  source.tokenizer.tokenizer_json = std::move(files.tokenizer_json);
  source.tokenizer.tokenizer_config_json = std::move(files.tokenizer_config_json);
  source.tokenizer.file_name = std::move(files.tokenizer_file_name);
  source.tokenizer.file = std::move(files.tokenizer_file);
  source.chat_template = std::move(files.chat_template);
  source.generation = read_generation_defaults(
      files.generation_config, source.config,
      (fs::path(directory) / "generation_config.json").string(), source.config_file);
  source.sentences = read_sentence_files(directory, source.config);
  for (const auto& [name, text] : source.sentences.files) {
    small_files.push_back((fs::path(directory) / name).string());
  }
  source.identity = identity_of(source, small_files);
  return source;
}

ModelSource open_directory(const std::string& path) {
  std::vector<std::string> gguf_files;
  size_t entries = 0;
  std::error_code error;
  fs::directory_iterator it(path, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    ++entries;
    if (it->path().extension() == ".gguf") gguf_files.push_back(it->path().string());
  }
  if (error) fail(ErrorCode::kIo, kWhere, "{}: {}", path, error.message());
  if (fs::exists(fs::path(path) / "config.json", error) || error) {
    return open_config_directory(path, "");
  }
  std::sort(gguf_files.begin(), gguf_files.end());
  if (gguf_files.size() == 1 || are_gguf_parts(gguf_files)) return open_gguf(gguf_files.front());
  fail(ErrorCode::kNotFound, kWhere,
       "{}: expected config.json or one .gguf file, found {} files, {} of them .gguf", path,
       entries, gguf_files.size());
}

ModelSource open_file(const std::string& path) {
  {
    const auto file = MappedFile::open(path);
    ByteReader reader(file->bytes(), kWhere, path);
    if (reader.remaining() >= 4 && reader.text(4, "magic") == "GGUF") return open_gguf(path);
  }
  if (path.ends_with(".onnx")) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: expected a language model, found an ONNX network (build, exec, inspect and compare "
         "take those)",
         path);
  }
  if (!path.ends_with(".safetensors") && !path.ends_with(".bin")) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: expected an engine, a GGUF, .safetensors, .bin (PyTorch's weights) or .onnx file or "
         "a model directory, found {}",
         path, describe_path(path));
  }
  fs::path directory = fs::path(path).parent_path();
  if (directory.empty()) directory = ".";
  if (!is_regular_file((directory / "config.json").string())) {
    fail(ErrorCode::kNotFound, kWhere, "{}: expected a config.json beside it, found none", path);
  }
  return open_config_directory(directory.string(), path);
}

}  // namespace

std::string_view model_source_kind_name(ModelSourceKind kind) {
  switch (kind) {
    case ModelSourceKind::kHuggingFace:
      return "Hugging Face model";
    case ModelSourceKind::kGguf:
      return "GGUF file";
    case ModelSourceKind::kCheckpoint:
      return "checkpoint";
  }
  return "unknown";
}

ModelSource open_model_source(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    fail(ErrorCode::kNotFound, kWhere, "{}: no such file or directory", path);
  }
  if (error) fail(ErrorCode::kIo, kWhere, "{}: {}", path, error.message());
  return fs::is_directory(status) ? open_directory(path) : open_file(path);
}

}  // namespace ingot
