// The writing half of loaders/safetensors.h.
#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/error.h"
#include "base/json.h"
#include "loaders/safetensors.h"
#include "loaders/safetensors_dtypes.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "loaders/safetensors";

std::string header_text(const std::vector<SafetensorsSpec>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  // Appended piece by piece: the ordered JSON object is quadratic in its number of keys.
  std::string text = "{";
  auto append = [&](const std::string& key, const Json& value) {
    if (text.size() > 1) text += ',';
    text += Json(key).dump() + ':' + value.dump();
  };
  if (!metadata.empty()) append("__metadata__", Json(metadata));
  uint64_t offset = 0;
  for (const SafetensorsSpec& spec : tensors) {
    Json entry;
    entry["dtype"] = safetensors_dtype_name(spec.dtype);
    entry["shape"] = spec.shape;
    entry["data_offsets"] = {offset, offset + spec.bytes()};
    append(spec.name, entry);
    offset += spec.bytes();
  }
  text += '}';
  // The data begins 64-byte aligned.
  text.append((64 - (8 + text.size()) % 64) % 64, ' ');
  return text;
}

}  // namespace

uint64_t SafetensorsSpec::bytes() const {
  return static_cast<uint64_t>(ElementType(dtype).bytes(element_count(shape)));
}

SafetensorsWriter::SafetensorsWriter(const std::string& path, std::vector<SafetensorsSpec> tensors,
                                     const std::map<std::string, std::string>& metadata)
    : tensors_(std::move(tensors)), file_(path) {
  std::set<std::string_view> names = {"__metadata__"};
  for (const SafetensorsSpec& spec : tensors_) {
    if (!names.insert(spec.name).second) {
      fail(ErrorCode::kInvalidArgument, kWhere, "{}: tensor '{}' is given twice", path, spec.name);
    }
  }
  std::sort(tensors_.begin(), tensors_.end(), [](const auto& a, const auto& b) {
    const size_t size_a = dtype_size(a.dtype), size_b = dtype_size(b.dtype);
    return size_a != size_b ? size_a > size_b : a.name < b.name;
  });
  const std::string text = header_text(tensors_, metadata);
  const uint64_t length = text.size();
  file_.write(std::as_bytes(std::span(&length, 1)));
  file_.write(text);
  expected_ = file_.size();
  for (const SafetensorsSpec& spec : tensors_) expected_ += spec.bytes();
}

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  CHECK_LE(file_.size() + bytes.size(), expected_);
  file_.write(bytes);
}

uint64_t SafetensorsWriter::commit() {
  CHECK_EQ(file_.size(), expected_);
  file_.commit();
  return expected_;
}

}  // namespace ingot
