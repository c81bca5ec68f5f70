// Writes GGUF version 3 files: tests, tools, and the vocabulary file of a checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/gguf.h"

namespace ingot {

// Collects metadata and tensors, then writes. Metadata is copied; tensor bytes are borrowed until
// write() or encode() is done. Not thread safe. A repeated key or name, a type without a GGUF
// number, bytes that do not fit the shape: CHECK.
class GgufWriter {
 public:
  void add_uint32(std::string_view key, uint32_t value);
  void add_int32(std::string_view key, int32_t value);
  void add_uint64(std::string_view key, uint64_t value);
  void add_float32(std::string_view key, float value);
  void add_bool(std::string_view key, bool value);
  void add_string(std::string_view key, std::string_view value);
  void add_strings(std::string_view key, std::span<const std::string> values);
  void add_int32s(std::string_view key, std::span<const int32_t> values);
  void add_float32s(std::string_view key, std::span<const float> values);
  // An entry of another file as it is.
  void add_value(const GgufValue& value);
  // `shape` in Hugging Face order; it is reversed in the file.
  void add_tensor(std::string_view name, ElementType type, const Shape& shape,
                  std::span<const std::byte> bytes);

  // The whole file; tensors lie on multiples of 32.
  std::string encode() const;
  // Appears whole or not at all; returns its size in bytes. Error{kIo}.
  uint64_t write(const std::string& path) const;

 private:
  struct Tensor {
    std::string name;
    uint32_t type;
    Shape shape;
    std::span<const std::byte> bytes;
  };
  void begin_value(std::string_view key, GgufType type);
  std::string header() const;

  std::vector<std::string> keys_;
  std::string metadata_;
  std::vector<Tensor> tensors_;
};

}  // namespace ingot
