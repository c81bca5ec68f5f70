// GGUF files, versions 2 and 3, little-endian: typed metadata and a tensor table. Layout from the
// GGUF specification (ggml-org/ggml, docs/gguf.md).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/byte_reader.h"
#include "base/refusal.h"
#include "loaders/weight_source.h"

namespace ingot {

// Numbers as stored in the file.
enum class GgufType : uint32_t {
  kUInt8 = 0,
  kInt8 = 1,
  kUInt16 = 2,
  kInt16 = 3,
  kUInt32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUInt64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};
std::string_view gguf_type_name(GgufType type);

// One metadata entry; `payload` views the encoded value in the file (for arrays the elements
// alone), already checked to be complete.
struct GgufValue {
  std::string_view key;
  GgufType type = GgufType::kUInt8;
  GgufType element = GgufType::kUInt8;  // of an array
  uint64_t count = 0;                   // of an array
  std::span<const std::byte> payload;
};

// Immutable and thread safe after open(). Tensor shapes are reversed to Hugging Face order
// ([out, in]). Everything views the mapped file.
class GgufFile : public WeightSource {
 public:
  // Error{kNotFound, kIo} from the system; kCorrupt naming file, place, expected and found;
  // kUnsupported for big-endian files, versions other than 2 and 3, and tensor types without a
  // BlockFormat. A model in several files (gguf_parts.h) is opened by its first: metadata are that
  // one's, tensors and files() those of all. Error{kCorrupt} where a part is another's.
  static std::shared_ptr<const GgufFile> open(const std::string& path);
  // The same from memory that the caller keeps alive; `name` stands for the path in messages.
  static std::shared_ptr<const GgufFile> parse(std::span<const std::byte> bytes,
                                               const std::string& name);

  uint32_t version() const { return version_; }
  uint64_t alignment() const { return alignment_; }
  // Bytes before the tensor data (header, metadata and tensor table) of each of files().
  std::vector<std::span<const std::byte>> headers() const;

  const std::vector<GgufValue>& metadata() const { return metadata_; }
  const GgufValue* find_value(std::string_view key) const;
  bool has(std::string_view key) const { return find_value(key) != nullptr; }

  // require_* throw Error{kCorrupt} naming the key when it is missing or of another type; get_*
  // return the fallback when it is missing. Any integer type that fits int64 is accepted as int,
  // any float or integer as a float.
  int64_t require_int(std::string_view key) const;
  int64_t get_int(std::string_view key, int64_t fallback) const;
  double require_float(std::string_view key) const;
  double get_float(std::string_view key, double fallback) const;
  bool require_bool(std::string_view key) const;
  bool get_bool(std::string_view key, bool fallback) const;
  std::string_view require_string(std::string_view key) const;
  std::string_view get_string(std::string_view key, std::string_view fallback) const;
  // Arrays; the strings view the file.
  std::vector<std::string_view> require_strings(std::string_view key) const;
  std::vector<int64_t> require_ints(std::string_view key) const;
  std::vector<float> require_floats(std::string_view key) const;

  // general.architecture
  std::string_view architecture() const { return require_string("general.architecture"); }

  const WeightInfo* find(std::string_view name) const override { return tensors_.find(name); }
  std::vector<std::string> names() const override { return tensors_.names(); }
  std::vector<std::shared_ptr<const MappedFile>> files() const override { return tensors_.files(); }
  const std::string& origin() const override { return tensors_.origin(); }

 private:
  explicit GgufFile(const std::string& name) : tensors_(name) {}
  static std::shared_ptr<GgufFile> parse_file(std::span<const std::byte> bytes,
                                              const std::string& name);
  struct Entry {
    WeightInfo info;
    uint64_t offset = 0;  // in the data section
    uint64_t size = 0;    // bytes
  };
  void read_value(ByteReader& reader);
  void read_metadata(ByteReader& reader, uint64_t count);
  void read_tensors(ByteReader& reader, uint64_t count, std::span<const std::byte> file);
  Entry read_tensor(ByteReader& reader, RefusalList& refused) const;
  void add_parts(const std::string& path);
  void check_extents(const std::vector<Entry>& entries, uint64_t data_begin,
                     uint64_t file_size) const;
  const GgufValue& require_value(std::string_view key) const;
  const GgufValue& require_array(std::string_view key) const;
  [[noreturn]] void type_mismatch(const GgufValue& value, std::string_view expected) const;

  uint32_t version_ = 0;
  uint64_t alignment_ = 32;
  std::span<const std::byte> header_;
  std::vector<GgufValue> metadata_;
  std::unordered_map<std::string_view, size_t> by_key_;
  WeightTable tensors_;
  std::vector<std::shared_ptr<const GgufFile>> parts_;  // but for the first, which is this
};

}  // namespace ingot
