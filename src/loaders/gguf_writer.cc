#include "loaders/gguf_writer.h"

#include <algorithm>

#include "base/check.h"
#include "base/file.h"

namespace ingot {
namespace {

constexpr uint64_t kAlignment = 32;  // GGUF's default, so no general.alignment is written

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  put<uint64_t>(out, text.size());
  out += text;
}

uint64_t align_up(uint64_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

uint32_t type_number(ElementType type) {
  if (type.is_block()) {
    CHECK_MSG(type.block->gguf_type.has_value(), "{} has no GGUF number", type.name());
    return *type.block->gguf_type;
  }
  switch (type.dtype) {
    case DType::kFloat32:
      return 0;
    case DType::kFloat16:
      return 1;
    case DType::kInt8:
      return 24;
    case DType::kInt16:
      return 25;
    case DType::kInt32:
      return 26;
    case DType::kInt64:
      return 27;
    case DType::kFloat64:
      return 28;
    case DType::kBFloat16:
      return 30;
    default:
      CHECK_MSG(false, "{} has no GGUF number", type.name());
  }
  return 0;
}

}  // namespace

void GgufWriter::begin_value(std::string_view key, GgufType type) {
  CHECK_MSG(std::find(keys_.begin(), keys_.end(), key) == keys_.end(), "key '{}' is repeated", key);
  keys_.emplace_back(key);
  put_text(metadata_, key);
  put(metadata_, static_cast<uint32_t>(type));
}

void GgufWriter::add_uint32(std::string_view key, uint32_t value) {
  begin_value(key, GgufType::kUInt32);
  put(metadata_, value);
}
void GgufWriter::add_int32(std::string_view key, int32_t value) {
  begin_value(key, GgufType::kInt32);
  put(metadata_, value);
}
void GgufWriter::add_uint64(std::string_view key, uint64_t value) {
  begin_value(key, GgufType::kUInt64);
  put(metadata_, value);
}
void GgufWriter::add_float32(std::string_view key, float value) {
  begin_value(key, GgufType::kFloat32);
  put(metadata_, value);
}
void GgufWriter::add_bool(std::string_view key, bool value) {
  begin_value(key, GgufType::kBool);
  put(metadata_, static_cast<uint8_t>(value));
}
void GgufWriter::add_string(std::string_view key, std::string_view value) {
  begin_value(key, GgufType::kString);
  put_text(metadata_, value);
}

void GgufWriter::add_strings(std::string_view key, std::span<const std::string> values) {
  begin_value(key, GgufType::kArray);
  put(metadata_, static_cast<uint32_t>(GgufType::kString));
  put<uint64_t>(metadata_, values.size());
  for (const std::string& value : values) put_text(metadata_, value);
}

void GgufWriter::add_int32s(std::string_view key, std::span<const int32_t> values) {
  begin_value(key, GgufType::kArray);
  put(metadata_, static_cast<uint32_t>(GgufType::kInt32));
  put<uint64_t>(metadata_, values.size());
  for (int32_t value : values) put(metadata_, value);
}

void GgufWriter::add_float32s(std::string_view key, std::span<const float> values) {
  begin_value(key, GgufType::kArray);
  put(metadata_, static_cast<uint32_t>(GgufType::kFloat32));
  put<uint64_t>(metadata_, values.size());
  for (float value : values) put(metadata_, value);
}

void GgufWriter::add_value(const GgufValue& value) {
  begin_value(value.key, value.type);
  if (value.type == GgufType::kArray) {
    put(metadata_, static_cast<uint32_t>(value.element));
    put(metadata_, value.count);
  }
  metadata_.append(reinterpret_cast<const char*>(value.payload.data()), value.payload.size());
}

void GgufWriter::add_tensor(std::string_view name, ElementType type, const Shape& shape,
                            std::span<const std::byte> bytes) {
  const bool known = std::any_of(tensors_.begin(), tensors_.end(),
                                 [&](const Tensor& tensor) { return tensor.name == name; });
  CHECK_MSG(!known, "tensor '{}' is repeated", name);
  CHECK_LE(shape.size(), 4u);
  CHECK_EQ(static_cast<uint64_t>(type.bytes(element_count(shape))), bytes.size());
  tensors_.push_back({std::string(name), type_number(type), shape, bytes});
}

std::string GgufWriter::header() const {
  std::string out = "GGUF";
  put<uint32_t>(out, 3);
  put<uint64_t>(out, tensors_.size());
  put<uint64_t>(out, keys_.size());
  out += metadata_;
  uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    put_text(out, tensor.name);
    put(out, static_cast<uint32_t>(tensor.shape.size()));
    for (auto dim = tensor.shape.rbegin(); dim != tensor.shape.rend(); ++dim) {
      put(out, static_cast<uint64_t>(*dim));
    }
    put(out, tensor.type);
    put(out, offset);
    offset = align_up(offset + tensor.bytes.size());
  }
  out.resize(align_up(out.size()));
  return out;
}

std::string GgufWriter::encode() const {
  std::string out = header();
  for (const Tensor& tensor : tensors_) {
    out.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    out.resize(align_up(out.size()));
  }
  return out;
}

uint64_t GgufWriter::write(const std::string& path) const {
  AtomicFile file(path);
  file.write(header());
  for (const Tensor& tensor : tensors_) {
    file.write(tensor.bytes);
    file.pad_to(kAlignment);
  }
  file.commit();
  return file.size();
}

}  // namespace ingot
