#include "base/file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/stand_in.h"
#include "base/temporary.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "base/file";

// What a file is by its first bytes.
constexpr std::pair<std::string_view, std::string_view> kMagics[] = {
    {"GGUF", "a GGUF file"},
    {"PK\x03\x04", "a ZIP archive (as PyTorch writes)"},
    {"\x80\x02", "a Python pickle (as PyTorch wrote)"},
    {"\x93NUMPY", "a NumPy array"},
    {"\x7f"
     "ELF",
     "a program or library"},
    {"\x1f\x8b", "a gzip file"}};

// Writes all of `bytes` at the descriptor's position (offset < 0) or at `offset`.
void write_all(int fd, const std::string& path, std::span<const std::byte> bytes, off_t offset) {
  const size_t wanted = bytes.size();
  while (!bytes.empty()) {
    const ssize_t n = offset < 0 ? ::write(fd, bytes.data(), bytes.size())
                                 : ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (n < 0) {
      if (errno == EINTR) continue;
      fail(ErrorCode::kIo, kWhere, "{}: writing {} bytes: {}", path, wanted, std::strerror(errno));
    }
    bytes = bytes.subspan(static_cast<size_t>(n));
    if (offset >= 0) offset += n;
  }
}

// With its "/"; "." for a bare name.
std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

// The name that a chain of symbolic links ends in, whether or not it exists. A link where there are
// too many.
std::string behind_links(const std::string& path) {
  constexpr int kMostLinks = 40;
  std::filesystem::path at = path;
  std::error_code error;
  for (int i = 0; i < kMostLinks && std::filesystem::is_symlink(at, error); ++i) {
    const std::filesystem::path target = std::filesystem::read_symlink(at, error);
    if (error) break;
    at = at.parent_path() / target;  // an absolute target stands alone
  }
  return at.string();
}

// Opened without waiting, as a pipe without a writer would; closed at the end.
struct OpenFile {
  explicit OpenFile(const std::string& name)
      : path(name), fd(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (fd >= 0) return;
    const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    fail(code, kWhere, "{}: {}", path, std::strerror(errno));
  }
  ~OpenFile() { ::close(fd); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  // Until something can be read; at once for what is no pipe or terminal. A signal that the process
  // handles, Ctrl-C as a rule, ends the wait.
  void wait() const {
    pollfd readable = {fd, POLLIN, 0};
    if (::poll(&readable, 1, -1) >= 0 || errno != EINTR) return;
    fail(ErrorCode::kCancelled, kWhere, "{}: a signal came while it was waited for", path);
  }

  const std::string& path;
  const int fd;
};

}  // namespace

std::string read_file(const std::string& path, size_t limit) {
  const OpenFile file(path);
  std::string out;
  char chunk[65536];
  while (true) {
    // Of a pipe: until its writer has come and has something, or has gone.
    file.wait();
    const ssize_t n = ::read(file.fd, chunk, sizeof chunk);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) fail(ErrorCode::kIo, kWhere, "{}: reading: {}", path, std::strerror(errno));
    if (out.size() + static_cast<size_t>(n) > limit) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: expected at most {} bytes", path, limit);
    }
    if (n == 0) return out;
    out.append(chunk, static_cast<size_t>(n));
  }
}

std::string read_regular_file(const std::string& path, size_t limit) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    fail(ErrorCode::kIo, kWhere, "{}: expected a regular file, found {}", path,
         describe_path(path));
  }
  return read_file(path, limit);
}

bool is_regular_file(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

bool is_directory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::string describe_bytes(std::span<const std::byte> bytes) {
  if (bytes.empty()) return "an empty file";
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const auto& [magic, name] : kMagics) {
    if (text.starts_with(magic)) return fmt::format("{} of {} bytes", name, bytes.size());
  }
  if (std::string other = describe_stand_in(bytes); !other.empty()) return other;
  uint64_t header = 0;
  if (bytes.size() > sizeof header) std::memcpy(&header, bytes.data(), sizeof header);
  if (header > 0 && header <= bytes.size() - sizeof header && text[sizeof header] == '{') {
    return fmt::format("a safetensors file of {} bytes", bytes.size());
  }
  std::string out = fmt::format("a file of {} bytes that begins with", bytes.size());
  for (const std::byte byte : bytes.first(std::min<size_t>(bytes.size(), 8))) {
    out += fmt::format(" {:02x}", static_cast<unsigned>(byte));
  }
  return out;
}

std::string describe_path(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? "nothing" : std::strerror(errno);
  }
  switch (info.st_mode & S_IFMT) {
    case S_IFDIR:
      return "a directory";
    case S_IFCHR:
      return "a character device";
    case S_IFBLK:
      return "a block device";
    case S_IFIFO:
      return "a pipe";
    case S_IFSOCK:
      return "a socket";
    default:
      return describe_bytes(MappedFile::open(path)->bytes());
  }
}

std::string why_not_writable(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    return fmt::format("expected a regular file or nothing, found {}", describe_path(path));
  }
  const std::string target = behind_links(path);
  if (::lstat(target.c_str(), &info) == 0 && S_ISLNK(info.st_mode)) {
    return "expected a file, found a symbolic link that leads nowhere";
  }
  const std::string folder = folder_of(target);
  if (!is_directory(folder)) {
    return fmt::format("expected the folder {}, found {}", folder, describe_path(folder));
  }
  if (::access(folder.c_str(), W_OK | X_OK) == 0) return {};
  return fmt::format("the folder {} cannot be written to: {}", folder, std::strerror(errno));
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  // A rename would replace a device, which root may do.
  const std::string why = why_not_writable(path_);
  if (!why.empty()) fail(ErrorCode::kIo, kWhere, "{}: {}", path_, why);
  path_ = behind_links(path_);
  TemporaryEntry entry = create_temporary(path_, false);
  temporary_ = std::move(entry.path);
  fd_ = entry.fd;
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (temporary_.empty()) return;
  ::unlink(temporary_.c_str());
  forget_temporary(temporary_);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  write_all(fd_, path_, bytes, -1);
  size_ += bytes.size();
}

void AtomicFile::write_at(size_t offset, std::span<const std::byte> bytes) {
  write_all(fd_, path_, bytes, static_cast<off_t>(offset));
}

void AtomicFile::pad_to(size_t alignment) {
  const size_t padding = (alignment - size_ % alignment) % alignment;
  if (padding) write(std::vector<std::byte>(padding));
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) {
    fail(ErrorCode::kIo, kWhere, "{}: syncing {} bytes: {}", path_, size_, std::strerror(errno));
  }
  // Open, and so locked, until it has its name: remove_stale() of another container would take it.
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    fail(ErrorCode::kIo, kWhere, "{}: renaming: {}", path_, std::strerror(errno));
  }
  ::close(fd_);
  fd_ = -1;
  forget_temporary(temporary_);
  temporary_.clear();
  const int dir = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir >= 0) {
    ::fsync(dir);
    ::close(dir);
  }
}

}  // namespace ingot
