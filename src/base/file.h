// Small files in one piece, and files that appear whole or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace ingot {

// Whole file as a string; Error{kNotFound, kIo}. `limit` bounds what is read (Error{kCorrupt}
// above). A pipe is waited for, its writer included; a signal that the process handles meanwhile is
// Error{kCancelled}.
std::string read_file(const std::string& path, size_t limit = size_t{1} << 30);
// The same for a file that nobody named, of a model's folder: whatever else than a regular file is
// there is Error{kIo}.
std::string read_regular_file(const std::string& path, size_t limit = size_t{1} << 30);
bool is_regular_file(const std::string& path);
bool is_directory(const std::string& path);

// What is there, for messages that say what was found: "nothing", "a directory", "a character
// device", "an empty file", "a GGUF file of 300 bytes", "a file of 300 bytes that begins with 7b
// 22".
std::string describe_path(const std::string& path);
std::string describe_bytes(std::span<const std::byte> bytes);  // of a whole file

// Why no file can be made at `path`: something else than a regular file is there (a device, a pipe,
// a folder), or the folder does not exist or refuses. Symbolic links are followed. Empty when one
// can.
std::string why_not_writable(const std::string& path);

// Writes to PATH.tmp-<pid>-<n>, and only commit() (fsync, rename, fsync of the folder) makes it
// appear as PATH; where PATH is a symbolic link, as what it points to. Whatever else than a regular
// file is there stays, and is an error (why_not_writable). Destroyed without commit it removes the
// temporary file. Every failure, disk full included, is Error{kIo} naming the path and the bytes
// wanted. Not thread safe.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  // Overwrites bytes already written (a header whose hashes are known last).
  void write_at(size_t offset, std::span<const std::byte> bytes);
  void pad_to(size_t alignment);  // appends zeros up to the next multiple
  size_t size() const { return size_; }
  void commit();

 private:
  std::string path_;
  std::string temporary_;
  int fd_ = -1;
  size_t size_ = 0;
};

}  // namespace ingot
