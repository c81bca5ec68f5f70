// safetensors files. Layout: 8 bytes little-endian header length, JSON header,
// data; the tensors cover the data exactly (huggingface/safetensors, README).
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "loaders/weight_source.h"

namespace ingot {

// Immutable and thread safe after open().
class SafetensorsFile : public WeightTable {
 public:
  // Error{kNotFound, kIo} from the system; kCorrupt naming file, place, expected and found;
  // kUnsupported for dtypes Ingot has no element type for (F8_*, F4, C64, ...).
  static std::shared_ptr<const SafetensorsFile> open(const std::string& path);
  // The same from memory that the caller keeps alive; `name` stands for the path in messages.
  static std::shared_ptr<const SafetensorsFile> parse(std::span<const std::byte> bytes,
                                                      const std::string& name);

  // The header's "__metadata__" map.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // The length field and the JSON text.
  std::span<const std::byte> header() const { return header_; }

 private:
  explicit SafetensorsFile(const std::string& name) : WeightTable(name) {}
  static std::shared_ptr<SafetensorsFile> parse_file(std::span<const std::byte> bytes,
                                                     const std::string& name);

  std::map<std::string, std::string> metadata_;
  std::span<const std::byte> header_;
};

// What to write: scalar element types only (block formats are the checkpoint's business).
struct SafetensorsSpec {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;

  uint64_t bytes() const;
};

// Streams a file whose tensors are known in advance. Tensors are laid out by descending element
// size, then name, so that every one is aligned; the caller writes them in the order of tensors().
// Not thread safe. Error{kIo} from the system; a wrong count of bytes is a CHECK.
class SafetensorsWriter {
 public:
  // Error{kInvalidArgument} for a repeated name.
  SafetensorsWriter(const std::string& path, std::vector<SafetensorsSpec> tensors,
                    const std::map<std::string, std::string>& metadata);
  const std::vector<SafetensorsSpec>& tensors() const { return tensors_; }
  // Appends the next bytes of the data; any cut is fine.
  void write(std::span<const std::byte> bytes);
  // Makes the file appear; returns its size in bytes.
  uint64_t commit();

 private:
  std::vector<SafetensorsSpec> tensors_;
  AtomicFile file_;
  uint64_t expected_ = 0;
};

}  // namespace ingot
