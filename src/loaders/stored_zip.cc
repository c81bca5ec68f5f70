#include "loaders/stored_zip.h"

#include <algorithm>

#include "base/byte_reader.h"

namespace ingot {
namespace {

constexpr uint32_t kEnd = 0x06054b50, kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint32_t kEntry = 0x02014b50, kLocal = 0x04034b50;
constexpr size_t kEndBytes = 22, kLocatorBytes = 20, kMostComment = 65535;
constexpr uint32_t kIn64 = 0xffffffff;  // the value stands in a ZIP64 field

class ZipReader {
 public:
  ZipReader(std::span<const std::byte> bytes, std::string_view where, std::string_view file)
      : bytes_(bytes), where_(where), file_(file) {}

  std::map<std::string, std::span<const std::byte>, std::less<>> read() {
    find_directory();
    ByteReader in = at(directory_, "directory");
    for (uint64_t i = 0; i < count_; ++i) read_entry(in);
    return std::move(out_);
  }

 private:
  struct Place {
    uint64_t size, packed, offset;
  };

  [[noreturn]] void bad(const std::string& what) const {
    fail(ErrorCode::kCorrupt, where_, "{}: {}", file_, what);
  }
  ByteReader at(uint64_t offset, std::string_view what) const {
    ByteReader reader(bytes_, where_, file_);
    reader.seek(offset, what);
    return reader;
  }

  // The end record is the last one, before a comment of any length.
  void find_directory() {
    if (bytes_.size() < kEndBytes)
      bad(fmt::format("expected a ZIP archive, found {} bytes", bytes_.size()));
    const size_t last = bytes_.size() - kEndBytes;
    const size_t first = last - std::min(last, kMostComment);
    size_t end = last;
    while (at(end, "end of the archive").read<uint32_t>("signature") != kEnd) {
      if (end == first) bad("no end of a ZIP archive: cut short, or none");
      --end;
    }
    ByteReader in = at(end + 10, "end of the archive");
    count_ = in.read<uint16_t>("count of files");
    in.read<uint32_t>("size of the directory");
    directory_ = in.read<uint32_t>("offset of the directory");
    if (count_ != 0xffff && directory_ != kIn64) return;
    if (end < kLocatorBytes) bad("no ZIP64 locator before the end of the archive");
    in = at(end - kLocatorBytes, "ZIP64 locator");
    if (in.read<uint32_t>("signature") != kLocator64) {
      if (count_ != 0xffff) bad("no ZIP64 locator before the end of the archive");
      return;  // 65535 files
    }
    in.read<uint32_t>("disk");
    in = at(in.read<uint64_t>("offset of the ZIP64 end"), "ZIP64 end");
    if (in.read<uint32_t>("signature") != kEnd64) bad("no ZIP64 end where the locator points");
    in.bytes(28, "ZIP64 end");
    count_ = in.read<uint64_t>("count of files");
    in.read<uint64_t>("size of the directory");
    directory_ = in.read<uint64_t>("offset of the directory");
  }

  void read_entry(ByteReader& in) {
    if (in.read<uint32_t>("signature") != kEntry) {
      bad(fmt::format("directory: expected an entry at offset {}", in.offset() - 4));
    }
    in.bytes(4, "versions");
    const auto flags = in.read<uint16_t>("flags");
    const auto method = in.read<uint16_t>("method");
    in.bytes(8, "time and checksum");
    Place place{};
    place.packed = in.read<uint32_t>("packed size");
    place.size = in.read<uint32_t>("size");
    const auto name_size = in.read<uint16_t>("length of the name");
    const auto extra_size = in.read<uint16_t>("length of the extra field");
    const auto comment_size = in.read<uint16_t>("length of the comment");
    in.bytes(8, "attributes");
    place.offset = in.read<uint32_t>("offset");
    const std::string name(in.text(name_size, "name"));
    read_zip64(in.bytes(extra_size, "extra field"), place);
    in.bytes(comment_size, "comment");
    if (method != 0 || (flags & 1) != 0) {
      fail(ErrorCode::kUnsupported, where_, "{}: '{}': expected a stored file, found {}", file_,
           name, flags & 1 ? "an encrypted one" : fmt::format("method {}", method));
    }
    if (place.size != place.packed) {
      bad(fmt::format("'{}': {} bytes stored as {}", name, place.size, place.packed));
    }
    if (!out_.emplace(name, stored(name, place)).second) {
      bad(fmt::format("'{}' is there twice", name));
    }
  }

  // Field 1 holds those of size, packed size and offset that did not fit, in this order.
  void read_zip64(std::span<const std::byte> extra, Place& place) const {
    ByteReader in(extra, where_, file_);
    while (in.remaining() >= 4) {
      const auto id = in.read<uint16_t>("extra field");
      const auto size = in.read<uint16_t>("extra field");
      ByteReader field(in.bytes(size, "extra field"), where_, file_);
      if (id != 1) continue;
      for (uint64_t* value : {&place.size, &place.packed, &place.offset}) {
        if (*value == kIn64) *value = field.read<uint64_t>("ZIP64 field");
      }
    }
  }

  std::span<const std::byte> stored(const std::string& name, const Place& place) const {
    ByteReader in = at(place.offset, name);
    if (in.read<uint32_t>("signature") != kLocal) {
      bad(fmt::format("'{}': expected its header at offset {}", name, place.offset));
    }
    in.bytes(22, "header");
    const auto name_size = in.read<uint16_t>("length of the name");
    const auto extra_size = in.read<uint16_t>("length of the extra field");
    in.bytes(uint64_t{name_size} + extra_size, "header");
    return in.bytes(place.size, name);
  }

  std::span<const std::byte> bytes_;
  std::string where_, file_;
  uint64_t count_ = 0, directory_ = 0;
  std::map<std::string, std::span<const std::byte>, std::less<>> out_;
};

}  // namespace

std::map<std::string, std::span<const std::byte>, std::less<>> read_stored_zip(
    std::span<const std::byte> bytes, std::string_view where, std::string_view file) {
  return ZipReader(bytes, where, file).read();
}

}  // namespace ingot
