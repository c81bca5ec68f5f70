// Named weights from files: the common face of safetensors, GGUF and checkpoints.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "tensor/element_type.h"
#include "tensor/random_fill.h"
#include "tensor/shape.h"

namespace ingot {

// One tensor of a file. `shape` is in Hugging Face order (a linear weight is [out, in]); `bytes`
// are its canonical row-major bytes, exactly type.bytes(elements) of them, aligned to the element
// size. The view lives as long as the WeightSource it came from: files() alone keep what is mapped,
// not what keep_aligned() copied. A tensor with a `random` has no bytes: its values are made where
// they are needed.
struct WeightInfo {
  std::string name;
  ElementType type;
  Shape shape;
  std::span<const std::byte> bytes;
  std::optional<RandomFill> random{};

  int64_t elements() const { return element_count(shape); }
};

// Immutable after construction, so every member may be called from any thread.
class WeightSource {
 public:
  virtual ~WeightSource() = default;

  // nullptr when there is no tensor of that name. The pointer lives as long as the source.
  virtual const WeightInfo* find(std::string_view name) const = 0;
  // In file order (safetensors: by position of the data; shards: by shard name).
  virtual std::vector<std::string> names() const = 0;
  // What must stay mapped while a WeightInfo's bytes are used.
  virtual std::vector<std::shared_ptr<const MappedFile>> files() const = 0;
  // The file or directory for error messages.
  virtual const std::string& origin() const = 0;

  // RefusedError{kNotFound} naming the origin and the tensor.
  const WeightInfo& require(std::string_view name) const;
  // require() plus a check of the shape: RefusedError{kCorrupt} with the expected and the found
  // one.
  const WeightInfo& require(std::string_view name, const Shape& expected) const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
};

// A WeightSource held as a table; the readers fill it and hand it out as const.
class WeightTable : public WeightSource {
 public:
  explicit WeightTable(std::string origin) : origin_(std::move(origin)) {}

  const WeightInfo* find(std::string_view name) const override;
  std::vector<std::string> names() const override;
  std::vector<std::shared_ptr<const MappedFile>> files() const override { return files_; }
  const std::string& origin() const override { return origin_; }

  // False, and nothing is added, when the name is taken.
  bool add(WeightInfo info);
  void add_file(std::shared_ptr<const MappedFile> file) { files_.push_back(std::move(file)); }
  // Copies `bytes` to memory aligned to 64 bytes that the table owns: for tensors that their file
  // leaves unaligned.
  std::span<const std::byte> keep_aligned(std::span<const std::byte> bytes);
  // So much memory of the same kind, to be filled; it lives as long as the table.
  std::span<std::byte> allocate(size_t bytes);
  const std::vector<std::unique_ptr<WeightInfo>>& entries() const { return entries_; }

 private:
  std::string origin_;
  std::vector<std::unique_ptr<WeightInfo>> entries_;
  std::unordered_map<std::string_view, const WeightInfo*> by_name_;  // keys view entries_' names
  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::vector<std::unique_ptr<std::byte[]>> copies_;
};

}  // namespace ingot
