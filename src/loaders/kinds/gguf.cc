// GGUF: one file that states all, or the parts of one; found by its first bytes, or alone in a
// folder that has no config.json.
#include "loaders/gguf.h"

#include <algorithm>
#include <filesystem>

#include "base/refusal.h"
#include "loaders/gguf_parts.h"
#include "loaders/loader_def.h"

namespace ingot {
namespace loader_gguf {

constexpr std::string_view kWhere = "loaders/gguf";

// The file to open, empty where there is none: the one of a folder, or the first of its parts.
std::string file_of(const ModelPath& at) {
  if (!at.is_directory) return at.head.starts_with("GGUF") ? at.path : "";
  if (at.has("config.json")) return "";
  std::vector<std::string> files;
  for (const std::string& name : at.entries) {
    if (std::filesystem::path(name).extension() == ".gguf") files.push_back(at.file(name));
  }
  return files.size() == 1 || are_gguf_parts(files) ? files.front() : "";
}

bool claims(const ModelPath& at) { return !file_of(at).empty(); }

// As llama.cpp numbers them: 0 none, 1 mean, 2 cls, 3 last, 4 rank.
SentenceFiles embedding_of(const GgufFile& file, const std::string& path) {
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

OpenedModel open(const ModelPath& at) {
  const std::string path = file_of(at);
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
  source.sentences = embedding_of(file, path);
  return {source, {}};
}

}  // namespace loader_gguf

const LoaderDef& gguf_loader();
const LoaderDef& gguf_loader() {
  static const LoaderDef def = {.name = "gguf",
                                .title = "GGUF file",
                                .file = "a GGUF",
                                .folder = "one .gguf file",
                                .claims = loader_gguf::claims,
                                .open = loader_gguf::open};
  return def;
}

}  // namespace ingot
