// The writing half of loaders/checkpoint.h.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <unordered_map>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/temporary.h"
#include "loaders/checkpoint.h"
#include "loaders/gguf_writer.h"
#include "loaders/safetensors.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWhere = "loaders/checkpoint";

// Neighbouring sources of one element type: one tensor of the file.
struct Run {
  std::string name;
  ElementType type;
  Shape shape;
  std::vector<const WeightInfo*> pieces;
};

void check_fits(const CheckpointTensor& tensor, const WeightInfo& first, const WeightInfo& piece,
                const std::string& origin) {
  const bool fits = !piece.shape.empty() && piece.shape.size() == first.shape.size() &&
                    std::equal(piece.shape.begin() + 1, piece.shape.end(), first.shape.begin() + 1);
  // One-dimensional block data cannot be cut at rows, so it is never joined.
  if (!fits || (piece.type.is_block() && piece.shape.size() < 2)) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: '{}': tensors '{}' {} {} and '{}' {} {} cannot be joined along axis 0", origin,
         tensor.name, first.name, first.type.name(), shape_text(first.shape), piece.name,
         piece.type.name(), shape_text(piece.shape));
  }
}

std::vector<Run> plan_tensor(const CheckpointTensor& tensor, const WeightSource& weights) {
  CHECK_MSG(!tensor.sources.empty(), "'{}' has no sources", tensor.name);
  std::vector<Run> runs;
  const WeightInfo& first = weights.require(tensor.sources.front());
  for (const std::string& source : tensor.sources) {
    const WeightInfo& piece = weights.require(source);
    if (tensor.sources.size() > 1) check_fits(tensor, first, piece, weights.origin());
    if (!runs.empty() && runs.back().type == piece.type) {
      runs.back().shape[0] += piece.shape[0];
    } else {
      runs.push_back({"", piece.type, piece.shape, {}});
    }
    runs.back().pieces.push_back(&piece);
  }
  for (size_t i = 0; i < runs.size(); ++i) {
    runs[i].name = runs.size() == 1 ? tensor.name : fmt::format("{}.segment.{}", tensor.name, i);
  }
  return runs;
}

CheckpointSizes write_weights(const std::string& path, const WeightSource& weights,
                              std::span<const CheckpointTensor> tensors) {
  std::unordered_map<std::string, Run> runs;
  std::vector<SafetensorsSpec> specs;
  std::map<std::string, std::string> metadata;
  for (const CheckpointTensor& tensor : tensors) {
    for (Run& run : plan_tensor(tensor, weights)) {
      SafetensorsSpec spec{run.name, run.type.dtype, run.shape};
      if (run.type.is_block()) {
        spec.dtype = DType::kUInt8;
        spec.shape.back() = run.type.bytes(run.shape.back());
        Json entry;
        entry["format"] = run.type.name();
        entry["shape"] = run.shape;
        metadata[run.name] = entry.dump();
      }
      specs.push_back(std::move(spec));
      std::string name = run.name;
      runs.emplace(std::move(name), std::move(run));
    }
  }
  CheckpointSizes sizes;
  sizes.tensors = specs.size();
  SafetensorsWriter writer(path, std::move(specs), metadata);
  for (const SafetensorsSpec& spec : writer.tensors()) {
    for (const WeightInfo* piece : runs.at(spec.name).pieces) writer.write(piece->bytes);
  }
  sizes.weight_bytes = writer.commit();
  return sizes;
}

void write_text(const fs::path& path, std::string_view text) {
  AtomicFile file(path.string());
  file.write(text);
  file.commit();
}

// The source's vocabulary as a GGUF file without tensors.
void write_vocab(const fs::path& path, const GgufFile& source) {
  GgufWriter writer;
  for (const GgufValue& value : source.metadata()) {
    if (value.key == "general.architecture" || value.key.starts_with("tokenizer.")) {
      writer.add_value(value);
    }
  }
  writer.write(path.string());
}

void write_companions(const fs::path& directory, const ModelSource& model) {
  const TokenizerMaterial& tokenizer = model.tokenizer;
  const std::pair<const char*, const std::string*> files[] = {
      {"tokenizer.json", &tokenizer.tokenizer_json},
      {"tokenizer_config.json", &tokenizer.tokenizer_config_json},
      {tokenizer.file_name.c_str(), &tokenizer.file},
      {"chat_template.jinja", &model.chat_template}};
  for (const auto& [name, text] : files) {
    if (!text->empty()) write_text(directory / name, *text);
  }
  for (const auto& [name, text] : model.sentences.files) {
    std::error_code error;
    fs::create_directories((directory / name).parent_path(), error);
    if (error) fail(ErrorCode::kIo, kWhere, "{}: {}", name, error.message());
    write_text(directory / name, text);
  }
  if (tokenizer.gguf_file) write_vocab(directory / "tokenizer.gguf-vocab", *tokenizer.gguf_file);
  write_text(directory / "generation_config.json",
             generation_defaults_to_json(model.generation).dump(2) + "\n");
}

// A sibling folder that is removed unless it was renamed into place.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const fs::path& target) : target_(target) {
    std::error_code error;
    if (!target_.parent_path().empty()) fs::create_directories(target_.parent_path(), error);
    if (error) fail(ErrorCode::kIo, kWhere, "{}: {}", target_.string(), error.message());
    TemporaryEntry entry = create_temporary(target_.string(), true);
    path_ = std::move(entry.path);
    fd_ = entry.fd;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!done_) fs::remove_all(path_, ignored);
    if (!done_) forget_temporary(path_.string());
    ::close(fd_);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const fs::path& path() const { return path_; }
  void commit() {
    std::error_code error;
    fs::rename(path_, target_, error);
    if (error) fail(ErrorCode::kIo, kWhere, "{}: {}", target_.string(), error.message());
    done_ = true;
    forget_temporary(path_.string());
    const fs::path parent = target_.parent_path().empty() ? "." : target_.parent_path();
    const int fd = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
      ::fsync(fd);  // the rename itself; the files were synced when written
      ::close(fd);
    }
  }

 private:
  fs::path target_;
  fs::path path_;
  int fd_ = -1;  // holds the folder's lock
  bool done_ = false;
};

}  // namespace

void check_checkpoint_target(const std::string& directory) {
  std::error_code error;
  const fs::file_status status = fs::status(directory, error);
  if (status.type() == fs::file_type::not_found) return;
  if (!error && fs::is_directory(status) && fs::is_empty(directory, error) && !error) return;
  std::string found = "a file";
  if (!error && fs::is_directory(status)) {
    const fs::directory_iterator first(directory, error);
    if (first != fs::directory_iterator()) found = first->path().filename().string() + " in it";
  }
  fail(ErrorCode::kInvalidArgument, kWhere, "{}: expected a new or empty directory{}", directory,
       error ? ": " + error.message() : ", found " + found);
}

CheckpointSizes write_checkpoint(const std::string& directory, const Json& config,
                                 const WeightSource& weights,
                                 std::span<const CheckpointTensor> tensors,
                                 const ModelSource& model) {
  check_checkpoint_target(directory);
  fs::path target(directory);
  if (target.filename().empty()) target = target.parent_path();  // "dir/"
  const Json complete = complete_checkpoint_config(config, "config of " + directory);
  TemporaryDirectory temporary(target);
  const auto sizes =
      write_weights((temporary.path() / "rank0.safetensors").string(), weights, tensors);
  write_companions(temporary.path(), model);
  write_text(temporary.path() / "config.json", complete.dump(2) + "\n");
  temporary.commit();
  return sizes;
}

}  // namespace ingot
