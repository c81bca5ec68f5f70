#include "loaders/safetensors.h"

#include <algorithm>

#include "base/byte_reader.h"
#include "base/error.h"
#include "base/json.h"
#include "base/refusal.h"
#include "base/stand_in.h"
#include "loaders/safetensors_dtypes.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "loaders/safetensors";
constexpr uint64_t kMaxHeader = 100'000'000;  // the limit of the format's own readers
constexpr uint64_t kMaxTensorElements = uint64_t{1} << 58;
constexpr size_t kMaxTensorDims = 32;
constexpr std::string_view kMetadataKey = "__metadata__";

// One tensor as the header states it.
struct HeaderEntry {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> offsets;
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

// Reads the header without a document tree: its size is the attacker's choice, and every value has
// a fixed place. Throws Error itself; the JSON library stops on `false`, which is never returned.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const std::string& file) : file_(file) {}

  std::vector<HeaderEntry> entries;
  std::map<std::string, std::string> metadata;

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_integer(number_integer_t value) override {
    fail(ErrorCode::kCorrupt, kWhere, "{}: {}: expected a number from 0 to 2^64 - 1, found {}",
         file_, place(), value);
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (state_ != State::kShape && state_ != State::kOffsets) return unexpected("a number");
    auto& list = state_ == State::kShape ? entries.back().shape : entries.back().offsets;
    const size_t limit = state_ == State::kShape ? kMaxTensorDims : 2;
    if (list.size() == limit) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: {}: expected at most {} numbers", file_, place(),
           limit);
    }
    list.push_back(value);
    return true;
  }
  bool number_float(number_float_t, const string_t& text) override {
    fail(ErrorCode::kCorrupt, kWhere, "{}: {}: expected an integer, found {}", file_, place(),
         text);
  }
  bool string(string_t& value) override {
    if (state_ == State::kMetadata) {
      if (!metadata.emplace(key_, std::move(value)).second) duplicate();
    } else if (state_ == State::kTensor && key_ == "dtype") {
      mark(entries.back().has_dtype);
      entries.back().dtype = std::move(value);
    } else {
      return unexpected("a string");
    }
    return true;
  }
  bool binary(binary_t&) override { return unexpected("binary data"); }
  bool start_object(size_t) override {
    if (state_ == State::kStart) {
      state_ = State::kRoot;
    } else if (state_ == State::kRoot && key_ == kMetadataKey) {
      mark(has_metadata_);
      state_ = State::kMetadata;
    } else if (state_ == State::kRoot) {
      entries.emplace_back().name = key_;
      state_ = State::kTensor;
    } else {
      return unexpected("an object");
    }
    return true;
  }
  bool key(string_t& value) override {
    key_ = std::move(value);
    if (state_ == State::kTensor && key_ != "dtype" && key_ != "shape" && key_ != "data_offsets") {
      fail(ErrorCode::kCorrupt, kWhere, "{}: {}: expected dtype, shape or data_offsets", file_,
           place());
    }
    return true;
  }
  bool end_object() override {
    if (state_ == State::kTensor) {
      const HeaderEntry& entry = entries.back();
      if (!entry.has_dtype || !entry.has_shape || entry.offsets.size() != 2) {
        fail(ErrorCode::kCorrupt, kWhere,
             "{}: tensor '{}': expected dtype, shape and two data_offsets", file_, entry.name);
      }
    }
    state_ = state_ == State::kRoot ? State::kEnd : State::kRoot;
    key_.clear();
    return true;
  }
  bool start_array(size_t) override {
    if (state_ == State::kTensor && key_ == "shape") {
      mark(entries.back().has_shape);
      state_ = State::kShape;
    } else if (state_ == State::kTensor && key_ == "data_offsets") {
      mark(entries.back().has_offsets);
      state_ = State::kOffsets;
    } else {
      return unexpected("a list");
    }
    return true;
  }
  bool end_array() override {
    state_ = State::kTensor;
    return true;
  }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    fail(ErrorCode::kCorrupt, kWhere, "{}: header: byte {}: not valid JSON", file_, position);
  }

 private:
  enum class State { kStart, kRoot, kMetadata, kTensor, kShape, kOffsets, kEnd };

  std::string place() const {
    const bool in_tensor =
        state_ == State::kTensor || state_ == State::kShape || state_ == State::kOffsets;
    if (in_tensor) return fmt::format("tensor '{}': '{}'", entries.back().name, key_);
    if (state_ == State::kMetadata) return fmt::format("{}: '{}'", kMetadataKey, key_);
    return key_.empty() ? "header" : fmt::format("header key '{}'", key_);
  }
  [[noreturn]] bool unexpected(std::string_view what) const {
    std::string_view expected = "an object";
    if (state_ == State::kMetadata) expected = "a string";
    if (state_ == State::kShape || state_ == State::kOffsets) expected = "a number";
    if (state_ == State::kTensor) expected = key_ == "dtype" ? "a string" : "a list of numbers";
    fail(ErrorCode::kCorrupt, kWhere, "{}: {}: expected {}, found {}", file_, place(), expected,
         what);
  }
  [[noreturn]] void duplicate() const {
    fail(ErrorCode::kCorrupt, kWhere, "{}: {} appears twice", file_, place());
  }
  void mark(bool& seen) {
    if (seen) duplicate();
    seen = true;
  }

  const std::string& file_;
  State state_ = State::kStart;
  std::string key_;
  bool has_metadata_ = false;
};

// All that Ingot has no element type for are told together.
void check_dtypes(const std::vector<HeaderEntry>& entries, const std::string& file) {
  RefusalList refused;
  for (const HeaderEntry& entry : entries) {
    if (parse_safetensors_dtype(entry.dtype)) continue;
    refused.add(ErrorCode::kUnsupported, {"weight", file, entry.name,
                                          fmt::format("a dtype of {}", safetensors_dtype_names()),
                                          fmt::format("'{}'", entry.dtype)});
  }
  refused.throw_if_any(kWhere);
}

// Type, shape and extent of one entry, checked against each other and the size of the data.
WeightInfo check_entry(HeaderEntry& entry, const std::string& file, uint64_t data_size) {
  WeightInfo info;
  info.name = std::move(entry.name);
  info.type = *parse_safetensors_dtype(entry.dtype);
  uint64_t elements = 1;
  for (uint64_t dim : entry.shape) {
    if (dim > kMaxTensorElements || __builtin_mul_overflow(elements, dim, &elements) ||
        elements > kMaxTensorElements) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: tensor '{}': shape: expected at most 2^58 elements",
           file, info.name);
    }
    info.shape.push_back(static_cast<int64_t>(dim));
  }
  const uint64_t begin = entry.offsets[0], end = entry.offsets[1];
  if (begin > end || end > data_size) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: tensor '{}': data_offsets [{}, {}]: expected an extent within the {} data bytes",
         file, info.name, begin, end, data_size);
  }
  const auto needed = static_cast<uint64_t>(info.type.bytes(static_cast<int64_t>(elements)));
  if (end - begin != needed) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: tensor '{}': {} {} needs {} bytes, data_offsets [{}, {}] give {}", file, info.name,
         entry.dtype, shape_text(info.shape), needed, begin, end, end - begin);
  }
  return info;
}

// Tensors must follow each other without gap or overlap and end with the data.
void check_cover(const std::vector<std::pair<HeaderEntry*, WeightInfo>>& tensors,
                 const std::string& file, uint64_t data_size) {
  uint64_t position = 0;
  for (const auto& [entry, info] : tensors) {
    if (entry->offsets[0] != position) {
      fail(ErrorCode::kCorrupt, kWhere,
           "{}: tensor '{}': expected data at offset {} (no gap, no overlap), found {}", file,
           info.name, position, entry->offsets[0]);
    }
    position = entry->offsets[1];
  }
  if (position != data_size) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: data: the tensors end at offset {}, the data at {}",
         file, position, data_size);
  }
}

}  // namespace

std::shared_ptr<const SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  auto mapped = MappedFile::open(path);
  auto file = parse_file(mapped->bytes(), path);
  file->add_file(std::move(mapped));
  return file;
}

std::shared_ptr<const SafetensorsFile> SafetensorsFile::parse(std::span<const std::byte> bytes,
                                                              const std::string& name) {
  return parse_file(bytes, name);
}

std::shared_ptr<SafetensorsFile> SafetensorsFile::parse_file(std::span<const std::byte> bytes,
                                                             const std::string& name) {
  std::shared_ptr<SafetensorsFile> file(new SafetensorsFile(name));
  refuse_stand_in(bytes, kWhere, name, "a safetensors file");
  ByteReader reader(bytes, kWhere, name);
  const auto length = reader.read<uint64_t>("header length");
  if (length > kMaxHeader) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: header length at offset 0: expected at most {}, found {}", name, kMaxHeader, length);
  }
  const std::string_view text = reader.text(length, "header");
  file->header_ = bytes.first(reader.offset());
  const auto data = bytes.subspan(reader.offset());

  HeaderReader header(name);
  Json::sax_parse(text.begin(), text.end(), &header);
  file->metadata_ = std::move(header.metadata);
  std::vector<std::pair<HeaderEntry*, WeightInfo>> tensors;
  tensors.reserve(header.entries.size());
  check_dtypes(header.entries, name);
  for (HeaderEntry& entry : header.entries) {
    tensors.emplace_back(&entry, check_entry(entry, name, data.size()));
  }
  std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return a.first->offsets < b.first->offsets;
  });
  check_cover(tensors, name, data.size());
  for (auto& [entry, info] : tensors) {
    info.bytes = data.subspan(entry->offsets[0], entry->offsets[1] - entry->offsets[0]);
    if (reinterpret_cast<uintptr_t>(info.bytes.data()) % dtype_size(info.type.dtype) != 0) {
      info.bytes = file->keep_aligned(info.bytes);
    }
    const std::string tensor = info.name;
    if (!file->add(std::move(info))) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: tensor '{}' appears twice", name, tensor);
    }
  }
  return file;
}

}  // namespace ingot
