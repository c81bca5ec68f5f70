#include "loaders/onnx_tensor.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/checked.h"
#include "base/printable.h"
#include "onnx-ml.pb.h"
#include "ops/shared/onnx_import.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "loaders/onnx";

uint64_t parse_number(std::string_view tensor, std::string_view key, const std::string& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail(ErrorCode::kCorrupt, kWhere, "tensor '{}': external {} '{}' is not a number", tensor, key,
         onnx_printable(text));
  }
  return value;
}

std::span<const std::byte> external_bytes(const onnx::TensorProto& proto, const std::string& name,
                                          uint64_t bytes, OnnxExternalData& external,
                                          std::shared_ptr<const void>& owner) {
  std::string location;
  uint64_t offset = 0, length = bytes;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") {
      location = entry.value();
    } else if (entry.key() == "offset") {
      offset = parse_number(name, "offset", entry.value());
    } else if (entry.key() == "length") {
      length = parse_number(name, "length", entry.value());
    } else if (entry.key() != "checksum") {  // optional SHA1 that writers do not keep up to date
      fail(ErrorCode::kUnsupported, kWhere, "tensor '{}': external data key '{}'", name,
           onnx_printable(entry.key()));
    }
  }
  if (length != bytes) {
    fail(ErrorCode::kCorrupt, kWhere, "tensor '{}': needs {} bytes, external data states {}", name,
         bytes, length);
  }
  return external.read(name, location, offset, bytes, owner);
}

template <typename T, typename Field>
void convert(const Field& field, std::vector<std::byte>& out) {
  for (int i = 0; i < field.size(); ++i) {
    const T value = static_cast<T>(field.Get(i));
    std::memcpy(out.data() + static_cast<size_t>(i) * sizeof(T), &value, sizeof(T));
  }
}

// Typed fields: one entry per element, narrow types in int32_data.
std::vector<std::byte> typed_bytes(const onnx::TensorProto& proto, const std::string& name,
                                   DType dtype, uint64_t count) {
  int found = 0;
  switch (dtype) {
    case DType::kFloat32:
      found = proto.float_data_size();
      break;
    case DType::kFloat64:
      found = proto.double_data_size();
      break;
    case DType::kInt64:
      found = proto.int64_data_size();
      break;
    case DType::kUInt32:
    case DType::kUInt64:
      found = proto.uint64_data_size();
      break;
    default:
      found = proto.int32_data_size();
  }
  if (static_cast<uint64_t>(found) != count) {
    fail(ErrorCode::kCorrupt, kWhere, "tensor '{}': needs {} elements, file has {}", name, count,
         found);
  }
  std::vector<std::byte> out(static_cast<size_t>(count) * dtype_size(dtype));
  switch (dtype) {
    case DType::kFloat32:
      convert<float>(proto.float_data(), out);
      break;
    case DType::kFloat64:
      convert<double>(proto.double_data(), out);
      break;
    case DType::kInt64:
      convert<int64_t>(proto.int64_data(), out);
      break;
    case DType::kUInt64:
      convert<uint64_t>(proto.uint64_data(), out);
      break;
    case DType::kUInt32:
      convert<uint32_t>(proto.uint64_data(), out);
      break;
    case DType::kInt32:
      convert<int32_t>(proto.int32_data(), out);
      break;
    case DType::kInt8:
    case DType::kUInt8:
    case DType::kBool:
      convert<uint8_t>(proto.int32_data(), out);
      break;
    default:  // the 16-bit types, floats as their bit patterns
      convert<uint16_t>(proto.int32_data(), out);
  }
  return out;
}

}  // namespace

std::string onnx_printable(std::string_view text) { return printable_start(text, 120); }

std::shared_ptr<const TensorData> onnx_tensor(const onnx::TensorProto& proto,
                                              std::shared_ptr<const void> owner,
                                              OnnxExternalData& external) {
  const std::string name = onnx_printable(proto.name());
  const auto dtype = ops::onnx_dtype(proto.data_type());
  if (!dtype) {
    fail(ErrorCode::kUnsupported, kWhere, "tensor '{}': element type {}", name, proto.data_type());
  }
  if (proto.has_segment()) {
    fail(ErrorCode::kUnsupported, kWhere, "tensor '{}': stored in segments", name);
  }
  auto out = std::make_shared<TensorData>();
  out->name = name;
  out->type = *dtype;
  out->shape.assign(proto.dims().begin(), proto.dims().end());
  const auto count = static_cast<uint64_t>(checked_elements(out->shape, "tensor shape"));
  const uint64_t bytes = (CheckedSize(count, "tensor size") * dtype_size(*dtype)).value();
  if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
    out->bytes = external_bytes(proto, name, bytes, external, out->owner);
    if (reinterpret_cast<uintptr_t>(out->bytes.data()) % dtype_size(*dtype) != 0) {
      auto aligned = std::make_shared<std::vector<std::byte>>(out->bytes.begin(), out->bytes.end());
      out->bytes = *aligned;
      out->owner = aligned;
    }
  } else if (proto.has_raw_data()) {
    if (proto.raw_data().size() != bytes) {
      fail(ErrorCode::kCorrupt, kWhere, "tensor '{}' of shape {}: needs {} bytes, file has {}",
           name, shape_text(out->shape), bytes, proto.raw_data().size());
    }
    out->bytes = std::as_bytes(std::span(proto.raw_data().data(), proto.raw_data().size()));
    out->owner = std::move(owner);
  } else {
    auto owned = std::make_shared<std::vector<std::byte>>(typed_bytes(proto, name, *dtype, count));
    out->bytes = *owned;
    out->owner = owned;
  }
  return out;
}

}  // namespace ingot
