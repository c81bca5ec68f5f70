// The engine file: named, hashed, aligned sections. Little-endian throughout.
//
//   header (64 bytes): magic "INGOTENG" | u32 version | u32 section count | u64 file size
//                      | u64[2] XXH3-128 of the section table | zeros
//   section table: per section 64 bytes: name (32, zero padded) | u64 offset | u64 size | u64[2]
//   hash sections, each at a multiple of 4096, zeros between them
//
// The table's hash covers every section's hash, so it is the hash of the whole file's content. The
// zeros are checked too: any flipped bit of a file is refused.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "base/mapped_file.h"

namespace ingot {

// Writes sections in the order given; commit() makes the file appear. Errors as in AtomicFile.
class ContainerWriter {
 public:
  // `sections` must be the number of add()/begin() calls to come.
  ContainerWriter(const std::string& path, size_t sections);
  void add(std::string_view name, std::span<const std::byte> bytes);
  void add(std::string_view name, std::string_view text);
  // A section written in pieces: begin, any number of append, end.
  void begin(std::string_view name);
  void append(std::span<const std::byte> bytes);
  void end();
  void commit();

 private:
  struct Entry {
    std::string name;
    uint64_t offset = 0;
    uint64_t size = 0;
    Hash128 hash;
  };
  AtomicFile file_;
  size_t expected_;
  std::vector<Entry> entries_;
  std::unique_ptr<Hasher128> hasher_;
};

// A mapped container. Everything is checked on open: magic, version, size, table hash, extents,
// overlap, each section's hash and the padding: Error{kCorrupt} names the section and the byte
// offset.
class Container {
 public:
  static std::shared_ptr<const Container> open(const std::string& path);
  bool has(std::string_view name) const { return sections_.find(name) != sections_.end(); }
  // Error{kCorrupt} when absent.
  std::span<const std::byte> section(std::string_view name) const;
  std::string text(std::string_view name) const;
  std::vector<std::string> names() const;
  const MappedFile& file() const { return *file_; }
  std::string content_hash() const { return hash_.hex(); }

 private:
  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, std::span<const std::byte>, std::less<>> sections_;
  Hash128 hash_;
};

// True when the file starts like an engine (any version).
bool looks_like_container(const std::string& path);

}  // namespace ingot
