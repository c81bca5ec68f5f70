#include "loaders/gguf.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"
#include "base/stand_in.h"
#include "loaders/gguf_parts.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "loaders/gguf";
constexpr std::string_view kMagic = "GGUF";
constexpr uint64_t kMaxKeyBytes = 65535;              // the specification's limit
constexpr uint32_t kMaxDims = 4;                      // of ggml
constexpr uint64_t kMaxElements = uint64_t{1} << 58;  // ElementType::bytes stays in int64
constexpr uint64_t kMaxReserve = 4096;  // entries reserved on the word of a count field alone
// Smallest encodings: an entry is key length, type and one byte; a tensor is name length, number of
// dimensions, type and offset. They bound counts before anything is allocated.
constexpr uint64_t kMinValueBytes = 8 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 4 + 4 + 8;

// Bytes of a fixed-size value; 0 for strings, arrays and unknown numbers.
size_t scalar_size(GgufType type) {
  switch (type) {
    case GgufType::kUInt8:
    case GgufType::kInt8:
    case GgufType::kBool:
      return 1;
    case GgufType::kUInt16:
    case GgufType::kInt16:
      return 2;
    case GgufType::kUInt32:
    case GgufType::kInt32:
    case GgufType::kFloat32:
      return 4;
    case GgufType::kUInt64:
    case GgufType::kInt64:
    case GgufType::kFloat64:
      return 8;
    case GgufType::kString:
    case GgufType::kArray:
      return 0;
  }
  return 0;
}

bool is_known(uint32_t type) { return type <= static_cast<uint32_t>(GgufType::kFloat64); }

template <typename T>
T load(const std::byte* src) {
  T value;
  std::memcpy(&value, src, sizeof(T));
  return value;
}

// nullopt when the type is no integer or the value exceeds int64.
std::optional<int64_t> load_integer(GgufType type, const std::byte* src) {
  switch (type) {
    case GgufType::kUInt8:
      return load<uint8_t>(src);
    case GgufType::kInt8:
      return load<int8_t>(src);
    case GgufType::kUInt16:
      return load<uint16_t>(src);
    case GgufType::kInt16:
      return load<int16_t>(src);
    case GgufType::kUInt32:
      return load<uint32_t>(src);
    case GgufType::kInt32:
      return load<int32_t>(src);
    case GgufType::kInt64:
      return load<int64_t>(src);
    case GgufType::kUInt64: {
      const auto value = load<uint64_t>(src);
      if (value > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
      return static_cast<int64_t>(value);
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> load_number(GgufType type, const std::byte* src) {
  if (type == GgufType::kFloat32) return load<float>(src);
  if (type == GgufType::kFloat64) return load<double>(src);
  if (auto integer = load_integer(type, src)) return static_cast<double>(*integer);
  return std::nullopt;
}

// Names of tensor types that exist but that Ingot has no format for, by their number.
std::string tensor_type_name(uint32_t type) {
  constexpr std::array<std::string_view, 40> kNames = {
      "F32",   "F16",        "Q4_0",       "Q4_1",       "Q4_2",     "Q4_3",     "Q5_0",
      "Q5_1",  "Q8_0",       "Q8_1",       "Q2_K",       "Q3_K",     "Q4_K",     "Q5_K",
      "Q6_K",  "Q8_K",       "IQ2_XXS",    "IQ2_XS",     "IQ3_XXS",  "IQ1_S",    "IQ4_NL",
      "IQ3_S", "IQ2_S",      "IQ4_XS",     "I8",         "I16",      "I32",      "I64",
      "F64",   "IQ1_M",      "BF16",       "Q4_0_4_4",   "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",
      "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4"};
  if (type < kNames.size()) return fmt::format("{} (number {})", kNames[type], type);
  return fmt::format("number {}", type);
}

std::optional<ElementType> tensor_element_type(uint32_t type) {
  switch (type) {
    case 0:
      return DType::kFloat32;
    case 1:
      return DType::kFloat16;
    case 24:
      return DType::kInt8;
    case 25:
      return DType::kInt16;
    case 26:
      return DType::kInt32;
    case 27:
      return DType::kInt64;
    case 28:
      return DType::kFloat64;
    case 30:
      return DType::kBFloat16;
    default:
      break;
  }
  if (const BlockFormat* format = find_gguf_format(type)) return ElementType(*format);
  return std::nullopt;
}

uint32_t read_version(ByteReader& reader, const std::string& file) {
  const auto magic = reader.text(4, "magic");
  if (magic != kMagic) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: magic at offset 0: expected 'GGUF', found {:#010x}",
         file, load<uint32_t>(std::as_bytes(std::span(magic.data(), 4)).data()));
  }
  const auto version = reader.read<uint32_t>("version");
  if (version == 2 || version == 3) return version;
  if (version != 0 && (version & 0xffffu) == 0) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: version at offset 4: expected a little-endian file, found a big-endian one", file);
  }
  fail(ErrorCode::kUnsupported, kWhere, "{}: version at offset 4: expected 2 or 3, found {}", file,
       version);
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Bytes of the tensor's data from its type and shape.
uint64_t checked_bytes(const WeightInfo& info, const std::string& file, size_t at) {
  uint64_t elements = 1;
  for (int64_t dim : info.shape) {
    if (__builtin_mul_overflow(elements, static_cast<uint64_t>(dim), &elements) ||
        elements > kMaxElements) {
      fail(ErrorCode::kCorrupt, kWhere,
           "{}: tensor '{}' at offset {}: shape {}: expected at most 2^58 elements", file,
           info.name, at, shape_text(info.shape));
    }
  }
  const int64_t row = info.shape.empty() ? 1 : info.shape.back();
  if (info.type.is_block() && row % info.type.block->block_elements != 0) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: tensor '{}' at offset {}: {} expects rows of a multiple of {} elements, found {}",
         file, info.name, at, info.type.name(), info.type.block->block_elements, row);
  }
  return static_cast<uint64_t>(info.type.bytes(static_cast<int64_t>(elements)));
}

uint64_t read_count(ByteReader& reader, const std::string& file, std::string_view what) {
  const size_t offset = reader.offset();
  const auto count = reader.read<uint64_t>(what);
  const uint64_t limit = reader.remaining() / kMinValueBytes;
  if (count > limit) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: {} at offset {}: found {}, expected at most {}, as the file ends after {} bytes (cut "
         "short?)",
         file, what, offset, count, limit, reader.offset() + reader.remaining());
  }
  return count;
}

}  // namespace

std::string_view gguf_type_name(GgufType type) {
  constexpr std::array<std::string_view, 13> kNames = {
      "uint8",   "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
      "boolean", "string", "array",  "uint64", "int64",  "float64"};
  const auto number = static_cast<size_t>(type);
  return number < kNames.size() ? kNames[number] : "unknown";
}

std::shared_ptr<const GgufFile> GgufFile::open(const std::string& path) {
  auto mapped = MappedFile::open(path);
  auto file = parse_file(mapped->bytes(), path);
  file->tensors_.add_file(std::move(mapped));
  // Files that gguf-split has merged have a count of 0.
  if (const int64_t count = file->get_int("split.count", 1); count < 0 || count > 1) {
    file->add_parts(path);
  }
  return file;
}

void GgufFile::add_parts(const std::string& path) {
  const int64_t count = require_int("split.count");
  const std::vector<std::string> names = gguf_part_names(path, count);
  const auto expect = [&](const GgufFile& part, std::string_view key, int64_t wanted) {
    const int64_t found = part.require_int(key);
    if (found == wanted) return;
    fail(ErrorCode::kCorrupt, kWhere, "{}: '{}': expected {}, found {}", part.origin(), key, wanted,
         found);
  };
  expect(*this, "split.no", 0);
  for (int64_t i = 1; i < count; ++i) {
    auto mapped = MappedFile::open(names[static_cast<size_t>(i)]);
    auto part = parse_file(mapped->bytes(), names[static_cast<size_t>(i)]);
    expect(*part, "split.no", i);
    expect(*part, "split.count", count);
    for (const auto& entry : part->tensors_.entries()) {
      if (tensors_.add(*entry)) continue;
      fail(ErrorCode::kCorrupt, kWhere, "{}: tensor '{}' is in a part before it too",
           part->origin(), entry->name);
    }
    tensors_.add_file(std::move(mapped));
    parts_.push_back(std::move(part));
  }
  const auto tensors = static_cast<int64_t>(tensors_.entries().size());
  if (has("split.tensors.count")) expect(*this, "split.tensors.count", tensors);
}

std::vector<std::span<const std::byte>> GgufFile::headers() const {
  std::vector<std::span<const std::byte>> out = {header_};
  for (const auto& part : parts_) out.push_back(part->header_);
  return out;
}

std::shared_ptr<const GgufFile> GgufFile::parse(std::span<const std::byte> bytes,
                                                const std::string& name) {
  return parse_file(bytes, name);
}

std::shared_ptr<GgufFile> GgufFile::parse_file(std::span<const std::byte> bytes,
                                               const std::string& name) {
  std::shared_ptr<GgufFile> file(new GgufFile(name));
  refuse_stand_in(bytes, kWhere, name, "a GGUF file");
  ByteReader reader(bytes, kWhere, name);
  file->version_ = read_version(reader, name);
  const uint64_t tensors = read_count(reader, name, "number of tensors");
  const uint64_t values = read_count(reader, name, "number of metadata entries");
  file->read_metadata(reader, values);
  file->read_tensors(reader, tensors, bytes);
  return file;
}

void GgufFile::read_metadata(ByteReader& reader, uint64_t count) {
  metadata_.reserve(std::min(count, kMaxReserve));
  for (uint64_t i = 0; i < count; ++i) {
    const size_t offset = reader.offset();
    read_value(reader);
    const std::string_view key = metadata_.back().key;
    if (!by_key_.emplace(key, metadata_.size() - 1).second) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: metadata key '{}' at offset {} appears twice",
           origin(), key, offset);
    }
  }
  if (!has("general.alignment")) return;
  const int64_t alignment = require_int("general.alignment");
  constexpr int64_t kMaxAlignment = 1 << 20;
  if (alignment < 1 || alignment > kMaxAlignment || (alignment & (alignment - 1)) != 0) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: 'general.alignment': expected a power of two up to {}, found {}", origin(),
         kMaxAlignment, alignment);
  }
  alignment_ = static_cast<uint64_t>(alignment);
}

void GgufFile::read_value(ByteReader& reader) {
  const size_t offset = reader.offset();
  const auto length = reader.read<uint64_t>("metadata key length");
  if (length == 0 || length > kMaxKeyBytes) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: metadata key at offset {}: expected 1 to {} bytes, found {}", origin(), offset,
         kMaxKeyBytes, length);
  }
  GgufValue value;
  value.key = reader.text(length, "metadata key");
  auto read_type = [&](std::string_view what) {
    const size_t at = reader.offset();
    const auto number = reader.read<uint32_t>(what);
    if (!is_known(number)) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: '{}': {} at offset {}: expected 0 to 12, found {}",
           origin(), value.key, what, at, number);
    }
    return static_cast<GgufType>(number);
  };
  auto skip_string = [&] {
    const auto bytes = reader.read<uint64_t>("string length");
    reader.bytes(bytes, value.key);
  };
  value.type = read_type("value type");
  size_t begin = reader.offset();
  if (value.type == GgufType::kString) {
    skip_string();
  } else if (value.type == GgufType::kArray) {
    value.element = read_type("array element type");
    value.count = reader.read<uint64_t>("array length");
    begin = reader.offset();
    if (value.element == GgufType::kArray) {
      fail(ErrorCode::kUnsupported, kWhere, "{}: '{}' at offset {}: arrays of arrays", origin(),
           value.key, offset);
    }
    // A string takes at least its eight bytes of length.
    const bool strings = value.element == GgufType::kString;
    const uint64_t element_bytes = strings ? 8 : scalar_size(value.element);
    if (value.count > reader.remaining() / element_bytes) {
      fail(ErrorCode::kCorrupt, kWhere,
           "{}: '{}' at offset {}: {} elements of type {} need at least {} bytes each, {} left",
           origin(), value.key, begin, value.count, gguf_type_name(value.element), element_bytes,
           reader.remaining());
    }
    if (strings) {
      for (uint64_t i = 0; i < value.count; ++i) skip_string();
    } else {
      reader.bytes(value.count * element_bytes, value.key);
    }
  } else {
    reader.bytes(scalar_size(value.type), value.key);
  }
  const size_t end = reader.offset();
  reader.seek(begin, value.key);
  value.payload = reader.bytes(end - begin, value.key);
  metadata_.push_back(value);
}

GgufFile::Entry GgufFile::read_tensor(ByteReader& reader, RefusalList& refused) const {
  Entry entry;
  const size_t at = reader.offset();
  const auto length = reader.read<uint64_t>("tensor name length");
  if (length > kMaxKeyBytes) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: tensor name at offset {}: expected at most {} bytes, found {}", origin(), at,
         kMaxKeyBytes, length);
  }
  WeightInfo& info = entry.info;
  info.name = reader.text(length, "tensor name");
  const auto dims = reader.read<uint32_t>("number of dimensions");
  if (dims > kMaxDims) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: tensor '{}' at offset {}: expected at most {} dimensions, found {}", origin(),
         info.name, at, kMaxDims, dims);
  }
  for (uint32_t d = 0; d < dims; ++d) {
    const auto dim = reader.read<uint64_t>("dimension");
    if (dim > static_cast<uint64_t>(INT64_MAX)) {
      fail(ErrorCode::kCorrupt, kWhere,
           "{}: tensor '{}' at offset {}: dimension {}: expected at most 2^63 - 1, found {}",
           origin(), info.name, at, d, dim);
    }
    info.shape.insert(info.shape.begin(), static_cast<int64_t>(dim));
  }
  const auto number = reader.read<uint32_t>("tensor type");
  const auto type = tensor_element_type(number);
  entry.offset = reader.read<uint64_t>("tensor offset");
  if (!type) {
    refused.add(ErrorCode::kUnsupported,
                {"weight", origin(), info.name, "a known tensor type", tensor_type_name(number)});
    return entry;
  }
  info.type = *type;
  if (entry.offset % alignment_ != 0) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: tensor '{}' at offset {}: expected data at a multiple of {}, found {}", origin(),
         info.name, at, alignment_, entry.offset);
  }
  entry.size = checked_bytes(info, origin(), at);
  return entry;
}

void GgufFile::read_tensors(ByteReader& reader, uint64_t count, std::span<const std::byte> file) {
  if (count > reader.remaining() / kMinTensorBytes) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: number of tensors: found {}, expected at most {}, as the file ends after {} bytes "
         "(cut "
         "short?)",
         origin(), count, reader.remaining() / kMinTensorBytes, file.size());
  }
  std::vector<Entry> entries;
  entries.reserve(std::min(count, kMaxReserve));
  RefusalList refused;  // types
  for (uint64_t i = 0; i < count; ++i) entries.push_back(read_tensor(reader, refused));
  refused.throw_if_any(kWhere);
  header_ = file.first(reader.offset());
  const uint64_t data_begin = (reader.offset() + alignment_ - 1) / alignment_ * alignment_;
  check_extents(entries, data_begin, file.size());
  for (Entry& entry : entries) {
    WeightInfo& info = entry.info;
    if (entry.size > 0) {
      info.bytes = file.subspan(data_begin + entry.offset, entry.size);
      const size_t unit = info.type.is_block() ? 1 : dtype_size(info.type.dtype);
      if (reinterpret_cast<uintptr_t>(info.bytes.data()) % unit != 0) {
        info.bytes = tensors_.keep_aligned(info.bytes);
      }
    }
    const std::string name = info.name;
    if (!tensors_.add(std::move(info))) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: tensor '{}' appears twice", origin(), name);
    }
  }
}

void GgufFile::check_extents(const std::vector<Entry>& entries, uint64_t data_begin,
                             uint64_t file_size) const {
  const uint64_t data_size = data_begin < file_size ? file_size - data_begin : 0;
  std::vector<std::pair<uint64_t, const Entry*>> order;
  for (const Entry& entry : entries) {
    if (entry.offset > data_size || entry.size > data_size - entry.offset) {
      fail(
          ErrorCode::kCorrupt, kWhere,
          "{}: tensor '{}' at data offset {}: needs {} bytes, the data section has {}, as the file "
          "ends after {} bytes (cut short?)",
          origin(), entry.info.name, entry.offset, entry.size, data_size, file_size);
    }
    if (entry.size > 0) order.emplace_back(entry.offset, &entry);
  }
  std::sort(order.begin(), order.end());
  for (size_t i = 1; i < order.size(); ++i) {
    const Entry& before = *order[i - 1].second;
    const Entry& after = *order[i].second;
    if (before.offset + before.size > after.offset) {
      fail(ErrorCode::kCorrupt, kWhere,
           "{}: tensor '{}' ends at data offset {}, but tensor '{}' begins at {}", origin(),
           before.info.name, before.offset + before.size, after.info.name, after.offset);
    }
  }
}

const GgufValue* GgufFile::find_value(std::string_view key) const {
  auto it = by_key_.find(key);
  return it == by_key_.end() ? nullptr : &metadata_[it->second];
}

const GgufValue& GgufFile::require_value(std::string_view key) const {
  const GgufValue* value = find_value(key);
  if (!value) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: metadata key '{}' is missing", origin(), key);
  }
  return *value;
}

void GgufFile::type_mismatch(const GgufValue& value, std::string_view expected) const {
  const std::string found =
      value.type == GgufType::kArray
          ? fmt::format("array of {} {}", value.count, gguf_type_name(value.element))
          : std::string(gguf_type_name(value.type));
  fail(ErrorCode::kCorrupt, kWhere, "{}: metadata key '{}': expected {}, found {}", origin(),
       value.key, expected, found);
}

int64_t GgufFile::require_int(std::string_view key) const {
  const GgufValue& value = require_value(key);
  const auto integer = load_integer(value.type, value.payload.data());
  if (!integer) type_mismatch(value, "an integer that fits 63 bits");
  return *integer;
}

double GgufFile::require_float(std::string_view key) const {
  const GgufValue& value = require_value(key);
  const auto number = load_number(value.type, value.payload.data());
  if (!number) type_mismatch(value, "a number");
  return *number;
}

bool GgufFile::require_bool(std::string_view key) const {
  const GgufValue& value = require_value(key);
  if (value.type != GgufType::kBool) type_mismatch(value, "boolean");
  return load<uint8_t>(value.payload.data()) != 0;
}

std::string_view GgufFile::require_string(std::string_view key) const {
  const GgufValue& value = require_value(key);
  if (value.type != GgufType::kString) type_mismatch(value, "string");
  return as_text(value.payload.subspan(8));
}

const GgufValue& GgufFile::require_array(std::string_view key) const {
  const GgufValue& value = require_value(key);
  if (value.type != GgufType::kArray) type_mismatch(value, "array");
  return value;
}

std::vector<std::string_view> GgufFile::require_strings(std::string_view key) const {
  const GgufValue& value = require_array(key);
  if (value.element != GgufType::kString) type_mismatch(value, "array of strings");
  std::vector<std::string_view> out;
  out.reserve(value.count);
  ByteReader reader(value.payload, kWhere, origin());
  for (uint64_t i = 0; i < value.count; ++i) {
    const auto length = reader.read<uint64_t>(key);
    out.push_back(reader.text(length, key));
  }
  return out;
}

std::vector<int64_t> GgufFile::require_ints(std::string_view key) const {
  const GgufValue& value = require_array(key);
  const size_t size = scalar_size(value.element);
  std::vector<int64_t> out;
  out.reserve(value.count);
  for (uint64_t i = 0; i < value.count; ++i) {
    if (size == 0) type_mismatch(value, "array of integers");
    const auto integer = load_integer(value.element, value.payload.subspan(i * size, size).data());
    if (!integer) type_mismatch(value, "array of integers that fit 63 bits");
    out.push_back(*integer);
  }
  return out;
}

std::vector<float> GgufFile::require_floats(std::string_view key) const {
  const GgufValue& value = require_array(key);
  const size_t size = scalar_size(value.element);
  std::vector<float> out;
  out.reserve(value.count);
  for (uint64_t i = 0; i < value.count; ++i) {
    if (size == 0) type_mismatch(value, "array of numbers");
    const auto number = load_number(value.element, value.payload.subspan(i * size, size).data());
    if (!number) type_mismatch(value, "array of numbers");
    out.push_back(static_cast<float>(*number));
  }
  return out;
}

int64_t GgufFile::get_int(std::string_view key, int64_t fallback) const {
  return has(key) ? require_int(key) : fallback;
}
double GgufFile::get_float(std::string_view key, double fallback) const {
  return has(key) ? require_float(key) : fallback;
}
bool GgufFile::get_bool(std::string_view key, bool fallback) const {
  return has(key) ? require_bool(key) : fallback;
}
std::string_view GgufFile::get_string(std::string_view key, std::string_view fallback) const {
  return has(key) ? require_string(key) : fallback;
}

}  // namespace ingot
