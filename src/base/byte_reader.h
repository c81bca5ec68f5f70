// The one way to read bytes that come from outside: every access is checked against the span.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace ingot {

// Reads little-endian values front to back. `where` opens error messages ("loaders/gguf"), `file`
// names the source. Errors are Error{kCorrupt} and give the offset, the bytes needed and those
// left.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> data, std::string_view where, std::string_view file)
      : data_(data), where_(where), file_(file) {}

  size_t offset() const { return offset_; }
  size_t remaining() const { return data_.size() - offset_; }

  template <typename T>
  requires std::is_trivially_copyable_v<T> T read(std::string_view what) {
    T value;
    std::memcpy(&value, bytes(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  std::span<const std::byte> bytes(uint64_t count, std::string_view what) {
    if (count > remaining()) {
      fail(ErrorCode::kCorrupt, where_, "{}: {} at offset {}: needs {} bytes, {} left", file_, what,
           offset_, count, remaining());
    }
    auto out = data_.subspan(offset_, count);
    offset_ += count;
    return out;
  }

  std::string_view text(uint64_t count, std::string_view what) {
    auto b = bytes(count, what);
    return {reinterpret_cast<const char*>(b.data()), b.size()};
  }

  void seek(uint64_t offset, std::string_view what) {
    if (offset > data_.size()) {
      fail(ErrorCode::kCorrupt, where_, "{}: {}: offset {} is past the end ({} bytes)", file_, what,
           offset, data_.size());
    }
    offset_ = offset;
  }

 private:
  std::span<const std::byte> data_;
  std::string where_;
  std::string file_;
  size_t offset_ = 0;
};

}  // namespace ingot
