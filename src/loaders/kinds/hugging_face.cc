// Hugging Face's folders, and a file of weights in one.
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "loaders/loader_def.h"
#include "loaders/sharded_weights.h"

namespace ingot {
namespace loader_hugging_face {

namespace fs = std::filesystem;
constexpr std::string_view kWhere = "loaders/hugging_face";

bool claims(const ModelPath& at) {
  if (at.is_directory) return at.has("config.json");
  return at.path.ends_with(".safetensors") || at.path.ends_with(".bin");
}

// "architectures": ["LlamaForCausalLM"], else "model_type".
std::string architecture_of(const Json& config, const std::string& file) {
  const auto names = json_get(config, "architectures", std::vector<std::string>(), kWhere, file);
  if (!names.empty()) return names.front();
  const std::string type = json_get(config, "model_type", std::string(), kWhere, file);
  if (type.empty()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: expected 'architectures' or 'model_type', found neither",
         file);
  }
  return type;
}

std::string folder_of(const ModelPath& at) {
  if (at.is_directory) return at.path;
  fs::path directory = fs::path(at.path).parent_path();
  if (directory.empty()) directory = ".";
  if (!is_regular_file((directory / "config.json").string())) {
    fail(ErrorCode::kNotFound, kWhere, "{}: expected a config.json beside it, found none", at.path);
  }
  return directory.string();
}

OpenedModel open(const ModelPath& at) {
  const std::string directory = folder_of(at);
  OpenedModel out;
  ModelSource& source = out.source;
  source.kind = ModelSourceKind::kHuggingFace;
  source.path = at.path;
  source.config_file = (fs::path(directory) / "config.json").string();
  HfFiles files = read_hf_files(directory);
  source.config = std::move(files.config);
  source.architecture = architecture_of(source.config, source.config_file);
  source.weights = at.is_directory ? open_weights_directory(directory) : open_weights_file(at.path);
  add_config_folder(out, directory, std::move(files));
  return out;
}

}  // namespace loader_hugging_face

const LoaderDef& hugging_face_loader();
const LoaderDef& hugging_face_loader() {
  static const LoaderDef def = {.name = "hugging_face",
                                .title = "Hugging Face model",
                                .file = ".safetensors, .bin (PyTorch's weights)",
                                .folder = "config.json",
                                .claims = loader_hugging_face::claims,
                                .open = loader_hugging_face::open,
                                .last = true};
  return def;
}

}  // namespace ingot
