// Read-only memory mapping of a regular file. A file that is cut short while it is mapped ends the
// process by SIGBUS where its lost pages are read: replace files by renaming, never in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace ingot {

// Owns the mapping; move-free and shared because engine weights, tokenizer and plan sections all
// view it (shared_ptr keeps the pages alive as long as any view's owner).
class MappedFile {
 public:
  // Throws Error{kNotFound, kIo}: "[base/mapped_file] PATH: reason". Refuses directories and
  // devices.
  static std::shared_ptr<const MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  // Tells the kernel that the pages of `range` (a view into bytes()) are not needed any more; they
  // are re-read from the file on the next touch. Lowers resident memory after repacking weights.
  void drop_pages(std::span<const std::byte> range) const;

 private:
  MappedFile() = default;
  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace ingot
