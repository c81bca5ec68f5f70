// Ingot's own checkpoints: a folder with config.json and rank0.safetensors (docs/checkpoint.md).
#include "loaders/checkpoint.h"

#include "base/error.h"
#include "base/file.h"
#include "loaders/loader_def.h"

namespace ingot {
namespace loader_checkpoint {

constexpr std::string_view kWhere = "loaders/checkpoint";
constexpr const char* kVocabFile = "tokenizer.gguf-vocab";
constexpr size_t kMaxConfigBytes = size_t{16} << 20;

bool claims(const ModelPath& at) {
  if (!at.is_directory || !at.has("config.json")) return false;
  const std::string config = at.file("config.json");
  try {
    return is_checkpoint(parse_json(read_regular_file(config, kMaxConfigBytes), kWhere, config),
                         at.path);
  } catch (const Error&) {
    return false;  // who opens folders with a config.json says what is wrong with it
  }
}

OpenedModel open(const ModelPath& at) {
  OpenedModel out;
  ModelSource& source = out.source;
  source.kind = ModelSourceKind::kCheckpoint;
  source.path = at.path;
  source.config_file = at.file("config.json");
  HfFiles files = read_hf_files(at.path);
  source.config = complete_checkpoint_config(files.config, source.config_file);
  source.architecture = source.config["architecture"].get<std::string>();
  source.weights = open_checkpoint_weights(at.path, source.config);
  if (const std::string vocab = at.file(kVocabFile); is_regular_file(vocab)) {
    source.tokenizer.gguf_file = GgufFile::open(vocab);
    source.tokenizer.gguf = read_gguf_vocab(*source.tokenizer.gguf_file);
    out.small_files.push_back(vocab);
  }
  add_config_folder(out, at.path, std::move(files));
  return out;
}

}  // namespace loader_checkpoint

const LoaderDef& checkpoint_loader();
const LoaderDef& checkpoint_loader() {
  static const LoaderDef def = {.name = "checkpoint",
                                .title = "checkpoint",
                                .file = "",
                                .folder = "",
                                .claims = loader_checkpoint::claims,
                                .open = loader_checkpoint::open};
  return def;
}

}  // namespace ingot
