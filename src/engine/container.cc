#include "engine/container.h"

#include <algorithm>
#include <cstring>
#include <fstream>

#include "base/byte_reader.h"
#include "base/check.h"
#include "base/checked.h"
#include "base/progress.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "engine/container";
constexpr char kMagic[] = {'I', 'N', 'G', 'O', 'T', 'E', 'N', 'G'};
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 64;
constexpr size_t kEntryBytes = 64;
constexpr size_t kNameBytes = 32;
constexpr size_t kAlignment = 4096;  // one page, so that a section can be mapped and dropped alone
constexpr uint32_t kMaxSections = 256;

template <typename T>
void put(std::vector<std::byte>& out, const T& value) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof value);
}

// No hash covers the bytes between sections: they are zero, so that no bit can flip unseen.
void check_padding(std::span<const std::byte> bytes, uint64_t begin, uint64_t end,
                   const std::string& path) {
  for (uint64_t at = begin; at < end; ++at) {
    if (bytes[at] == std::byte{0}) continue;
    fail(ErrorCode::kCorrupt, kWhere, "{}: padding at offset {}: expected 0, found {}", path, at,
         static_cast<int>(bytes[at]));
  }
}

// Tells how far it is: this is where a large file is read from disk.
Hash128 hash_in_pieces(std::span<const std::byte> bytes, Progress& progress) {
  constexpr size_t kPiece = size_t{16} << 20;
  Hasher128 hasher;
  for (size_t at = 0; at < bytes.size(); at += kPiece) {
    const auto piece = bytes.subspan(at, std::min(kPiece, bytes.size() - at));
    hasher.update(piece);
    progress.add(static_cast<int64_t>(piece.size()));
  }
  return hasher.digest();
}

}  // namespace

ContainerWriter::ContainerWriter(const std::string& path, size_t sections)
    : file_(path), expected_(sections) {
  CHECK_LE(sections, kMaxSections);
  file_.write(std::vector<std::byte>(kHeaderBytes + kEntryBytes * sections));
}

void ContainerWriter::begin(std::string_view name) {
  CHECK_LT(entries_.size(), expected_);
  CHECK_LT(name.size(), kNameBytes);
  file_.pad_to(kAlignment);
  entries_.push_back({std::string(name), file_.size(), 0, {}});
  hasher_ = std::make_unique<Hasher128>();
}

void ContainerWriter::append(std::span<const std::byte> bytes) {
  file_.write(bytes);
  hasher_->update(bytes);
  entries_.back().size += bytes.size();
}

void ContainerWriter::end() {
  entries_.back().hash = hasher_->digest();
  hasher_.reset();
}

void ContainerWriter::add(std::string_view name, std::span<const std::byte> bytes) {
  begin(name);
  append(bytes);
  end();
}

void ContainerWriter::add(std::string_view name, std::string_view text) {
  add(name, std::as_bytes(std::span(text.data(), text.size())));
}

void ContainerWriter::commit() {
  CHECK_EQ(entries_.size(), expected_);
  std::vector<std::byte> table;
  for (const Entry& entry : entries_) {
    char name[kNameBytes] = {};
    std::memcpy(name, entry.name.data(), entry.name.size());
    put(table, name);
    put(table, entry.offset);
    put(table, entry.size);
    put(table, entry.hash.low);
    put(table, entry.hash.high);
  }
  const Hash128 hash = hash128(table);
  std::vector<std::byte> header;
  put(header, kMagic);
  put(header, kVersion);
  put(header, static_cast<uint32_t>(entries_.size()));
  put(header, static_cast<uint64_t>(file_.size()));
  put(header, hash.low);
  put(header, hash.high);
  header.resize(kHeaderBytes);
  file_.write_at(0, header);
  file_.write_at(kHeaderBytes, table);
  file_.commit();
}

std::shared_ptr<const Container> Container::open(const std::string& path) {
  auto out = std::make_shared<Container>();
  out->file_ = MappedFile::open(path);
  const std::span<const std::byte> bytes = out->file_->bytes();
  ByteReader reader(bytes, kWhere, path);
  if (std::memcmp(reader.bytes(sizeof kMagic, "magic").data(), kMagic, sizeof kMagic) != 0) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: not an engine file (magic at offset 0)", path);
  }
  const auto version = reader.read<uint32_t>("version");
  if (version != kVersion) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: engine format {} at offset 8, expected {}", path,
         version, kVersion);
  }
  const auto count = reader.read<uint32_t>("section count");
  if (count > kMaxSections) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: {} sections at offset 12, expected at most {}", path,
         count, kMaxSections);
  }
  const auto size = reader.read<uint64_t>("file size");
  if (size != bytes.size()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: header says {} bytes, file has {}", path, size,
         bytes.size());
  }
  out->hash_ = {reader.read<uint64_t>("table hash"), reader.read<uint64_t>("table hash")};
  const uint64_t used = reader.offset();
  reader.bytes(kHeaderBytes - used, "header");
  check_padding(bytes, used, kHeaderBytes, path);
  const auto table = reader.bytes(uint64_t{count} * kEntryBytes, "section table");
  if (!(hash128(table) == out->hash_)) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: section table at offset {}: hash does not match", path,
         kHeaderBytes);
  }
  Progress progress("reading engine", static_cast<int64_t>(bytes.size()), "bytes",
                    ProgressShow::kIfSlow);
  uint64_t last_end = reader.offset();
  ByteReader entries(table, kWhere, path);
  for (uint32_t i = 0; i < count; ++i) {
    const std::string_view raw = entries.text(kNameBytes, "section name");
    const std::string name(raw.substr(0, raw.find('\0')));
    const auto offset = entries.read<uint64_t>("section offset");
    const auto section_size = entries.read<uint64_t>("section size");
    const Hash128 hash = {entries.read<uint64_t>("hash"), entries.read<uint64_t>("hash")};
    const uint64_t end = (CheckedSize(offset, "section end") + section_size).value();
    if (offset < last_end || end > bytes.size()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: section '{}' at offset {} of {} bytes: file has {}",
           path, name, offset, section_size, bytes.size());
    }
    check_padding(bytes, last_end, offset, path);
    const auto content = bytes.subspan(offset, section_size);
    if (!(hash_in_pieces(content, progress) == hash)) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: section '{}' at offset {}: hash does not match", path,
           name, offset);
    }
    if (!out->sections_.emplace(name, content).second) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: section '{}' appears twice", path, name);
    }
    last_end = end;
  }
  check_padding(bytes, last_end, bytes.size(), path);
  progress.update(static_cast<int64_t>(bytes.size()));
  return out;
}

std::span<const std::byte> Container::section(std::string_view name) const {
  auto it = sections_.find(name);
  if (it == sections_.end()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: section '{}' is missing", file_->path(), name);
  }
  return it->second;
}

std::string Container::text(std::string_view name) const {
  const auto bytes = section(name);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::string> Container::names() const {
  std::vector<std::string> out;
  for (const auto& [name, bytes] : sections_) out.push_back(name);
  return out;
}

bool looks_like_container(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  char magic[sizeof kMagic] = {};
  return in.read(magic, sizeof magic) && std::memcmp(magic, kMagic, sizeof kMagic) == 0;
}

}  // namespace ingot
