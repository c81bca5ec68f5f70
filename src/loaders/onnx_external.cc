#include "loaders/onnx_external.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/mapping_faults.h"
#include "base/stand_in.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "loaders/onnx_external";

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// The kernel itself checks that no part of the path leaves the folder or is a link, so that nothing
// can change between a check and the open.
int open_beneath(int folder, const char* path) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, folder, path, &how, sizeof(how)));
}

}  // namespace

struct OnnxExternalData::Mapping {
  std::byte* data = nullptr;
  size_t size = 0;
  Mapping() = default;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (!data) return;
    forget_mapping(data);
    ::munmap(data, size);
  }
};

std::shared_ptr<const OnnxExternalData::Mapping> OnnxExternalData::open(
    std::string_view tensor, const std::string& location) {
  if (auto it = files_.find(location); it != files_.end()) return it->second;
  if (folder_.empty()) {
    fail(ErrorCode::kUnsupported, kWhere, "tensor '{}': external data '{}' of a model in memory",
         tensor, location);
  }
  if (location.empty() || location.find('\0') != std::string::npos) {
    fail(ErrorCode::kCorrupt, kWhere, "tensor '{}': expected a file name as location", tensor);
  }
  const Descriptor folder(::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const Descriptor file(folder.get() < 0 ? -1 : open_beneath(folder.get(), location.c_str()));
  if (file.get() < 0) {
    const int error = errno;
    if (error == EXDEV || error == ELOOP) {
      fail(ErrorCode::kUnsupported, kWhere,
           "tensor '{}': location '{}' must be a file below '{}', reached without links", tensor,
           location, folder_);
    }
    fail(error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, kWhere, "tensor '{}': {}/{}: {}",
         tensor, folder_, location, std::strerror(error));
  }
  struct stat info {};
  if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1) {
    fail(ErrorCode::kUnsupported, kWhere,
         "tensor '{}': location '{}' must be a regular file with one name", tensor, location);
  }
  auto mapping = std::make_shared<Mapping>();
  mapping->size = static_cast<size_t>(info.st_size);
  if (mapping->size > 0) {
    void* data = ::mmap(nullptr, mapping->size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (data == MAP_FAILED) {
      mapping->size = 0;
      fail(ErrorCode::kIo, kWhere, "tensor '{}': mmap of '{}': {}", tensor, location,
           std::strerror(errno));
    }
    mapping->data = static_cast<std::byte*>(data);
    note_mapping(data, mapping->size, folder_ + "/" + location);
  }
  files_[location] = mapping;
  return mapping;
}

std::span<const std::byte> OnnxExternalData::read(std::string_view tensor,
                                                  const std::string& location, uint64_t offset,
                                                  uint64_t length,
                                                  std::shared_ptr<const void>& owner) {
  const std::shared_ptr<const Mapping> file = open(tensor, location);
  if (offset > file->size || length > file->size - offset) {
    refuse_stand_in({file->data, file->size}, kWhere, folder_ + "/" + location,
                    fmt::format("the data of tensor '{}'", tensor));
    fail(ErrorCode::kCorrupt, kWhere,
         "tensor '{}': location '{}' at offset {}: needs {} bytes, file has {}", tensor, location,
         offset, length, file->size);
  }
  owner = file;
  return {file->data + offset, static_cast<size_t>(length)};
}

}  // namespace ingot
