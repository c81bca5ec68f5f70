// External tensor data of ONNX models: the one place that opens files a model names.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ingot {

// Opens files below one folder. A location is refused when it is absolute, leaves the folder,
// passes a symbolic link anywhere, or is not a regular file with exactly one name (link count 1): a
// model must not read other files of the user. Not thread safe.
class OnnxExternalData {
 public:
  // An empty folder refuses everything (models from memory).
  explicit OnnxExternalData(std::string folder) : folder_(std::move(folder)) {}

  // Bytes [offset, offset + length) of a file, mapped read-only; `owner` keeps them alive.
  // Error{kNotFound, kIo, kUnsupported, kCorrupt} naming the tensor, the location, and the bytes
  // needed and found.
  std::span<const std::byte> read(std::string_view tensor, const std::string& location,
                                  uint64_t offset, uint64_t length,
                                  std::shared_ptr<const void>& owner);

 private:
  struct Mapping;
  std::shared_ptr<const Mapping> open(std::string_view tensor, const std::string& location);
  std::string folder_;
  std::map<std::string, std::shared_ptr<const Mapping>> files_;
};

}  // namespace ingot
