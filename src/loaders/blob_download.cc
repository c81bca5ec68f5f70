#include "loaders/blob_download.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "loaders/http_client.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "loaders/hub";
constexpr int kAttempts = 6;                                  // the first and five more
constexpr auto kFirstPause = std::chrono::milliseconds(200);  // doubled each time

// The digest of a blob of `size` bytes, of a kind other than kNone. Git hashes "blob SIZE\0" before
// the content.
class Digest {
 public:
  Digest(BlobHash kind, uint64_t size) : context_(EVP_MD_CTX_new()) {
    const EVP_MD* method = kind == BlobHash::kSha256 ? EVP_sha256() : EVP_sha1();
    CHECK_EQ(EVP_DigestInit_ex(context_.get(), method, nullptr), 1);
    if (kind == BlobHash::kGitBlob) {
      const std::string head = fmt::format("blob {}", size);
      CHECK_EQ(EVP_DigestUpdate(context_.get(), head.c_str(), head.size() + 1), 1);
    }
  }
  void update(std::span<const std::byte> bytes) {
    CHECK_EQ(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()), 1);
  }
  std::string hex() {
    std::string out;
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    CHECK_EQ(EVP_DigestFinal_ex(context_.get(), raw, &size), 1);
    for (unsigned int i = 0; i < size; ++i) out += fmt::format("{:02x}", raw[i]);
    return out;
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

// TARGET.incomplete, open for appending.
class Partial {
 public:
  explicit Partial(const BlobDownload& blob) : blob_(blob), path_(blob.target + ".incomplete") {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd_ < 0) fail(ErrorCode::kIo, kWhere, "{}: creating: {}", path_, std::strerror(errno));
    struct stat info {};
    if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
      ::close(fd_);
      fail(ErrorCode::kIo, kWhere, "{}: expected a regular file", path_);
    }
    size_ = static_cast<uint64_t>(info.st_size);
    if (blob.size && size_ > *blob.size) restart();
  }
  ~Partial() {
    if (fd_ >= 0) ::close(fd_);
  }
  Partial(const Partial&) = delete;
  Partial& operator=(const Partial&) = delete;

  uint64_t size() const { return size_; }

  void restart() {
    if (::ftruncate(fd_, 0) != 0) io_error("truncating");
    size_ = 0;
  }

  void append(std::span<const std::byte> bytes) {
    if (blob_.size && bytes.size() > *blob_.size - size_) {
      ::unlink(path_.c_str());
      fail(ErrorCode::kCorrupt, kWhere, "{}: expected {} bytes, the server sends more", blob_.label,
           *blob_.size);
    }
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) io_error("writing");
      bytes = bytes.subspan(static_cast<size_t>(n));
      size_ += static_cast<uint64_t>(n);
    }
  }

  void check_space() const {
    struct statvfs info {};
    if (!blob_.size || ::fstatvfs(fd_, &info) != 0) return;
    const uint64_t available = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
    const uint64_t wanted = *blob_.size - size_;
    if (wanted > available) {
      fail(ErrorCode::kIo, kWhere, "{}: needs {} bytes in {}, the disk has {} left", blob_.label,
           wanted, path_, available);
    }
  }

  // Size and hash are right: the file takes its place. Else it goes away.
  void finish() {
    if (blob_.size && size_ != *blob_.size) {
      ::unlink(path_.c_str());
      fail(ErrorCode::kCorrupt, kWhere, "{}: expected {} bytes, received {}", blob_.label,
           *blob_.size, size_);
    }
    const std::string found = digest();
    if (!found.empty() && found != blob_.digest) {
      ::unlink(path_.c_str());
      fail(ErrorCode::kCorrupt, kWhere, "{}: expected hash {}, found {}; removed, pull it again",
           blob_.label, blob_.digest, found);
    }
    if (::fsync(fd_) != 0) io_error("syncing");
    if (::rename(path_.c_str(), blob_.target.c_str()) != 0) io_error("renaming");
  }

 private:
  [[noreturn]] void io_error(std::string_view verb) const {
    fail(ErrorCode::kIo, kWhere, "{}: {} {}: {}", blob_.label, verb, path_, std::strerror(errno));
  }

  // Empty where the blob has no hash.
  std::string digest() const {
    if (blob_.hash == BlobHash::kNone) return "";
    Digest digest(blob_.hash, size_);
    std::vector<std::byte> chunk(1 << 20);
    for (uint64_t at = 0; at < size_;) {
      const ssize_t n = ::pread(fd_, chunk.data(), chunk.size(), static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) io_error("reading back");
      digest.update(std::span(chunk).first(static_cast<size_t>(n)));
      at += static_cast<uint64_t>(n);
    }
    return digest.hex();
  }

  const BlobDownload& blob_;
  std::string path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

bool worth_a_retry(long status) { return status == 429 || status / 100 == 5; }

// "bytes 100-199/200" -> 100; nothing if it is not that.
std::optional<uint64_t> range_start(std::string_view header) {
  constexpr std::string_view kUnit = "bytes ";
  if (!header.starts_with(kUnit)) return std::nullopt;
  header.remove_prefix(kUnit.size());
  uint64_t start = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), start);
  if (error != std::errc() || end == header.data()) return std::nullopt;
  return start;
}

// One request for what is missing. Returns the status; bytes of an answer that is no success are
// not kept. Throws what http_request throws.
long fetch_rest(const BlobDownload& blob, Partial& partial, Progress& progress) {
  const uint64_t from = partial.size();
  bool placed = false;
  const HttpRequest request{
      .url = blob.url, .token = blob.token, .headers = {}, .range_from = from};
  const HttpResponse response =
      http_request(request, [&](const HttpResponse& head, std::span<const std::byte> bytes) {
        if (head.status != 200 && head.status != 206) return;
        if (!placed) {
          placed = true;
          // A server may ignore the range (200), or answer another one.
          const bool resumed =
              head.status == 206 && range_start(head.header("content-range")) == from;
          if (!resumed && head.status == 206) {
            fail(ErrorCode::kCorrupt, kWhere, "{}: asked for bytes from {}, the server sent '{}'",
                 blob.label, from, head.header("content-range"));
          }
          if (!resumed) partial.restart();
          partial.check_space();
        }
        partial.append(bytes);
        progress.update(static_cast<int64_t>(partial.size()));
      });
  if (response.status == 416 && from > 0) partial.restart();
  // An empty file has no body to place.
  if (response.status == 200 && !placed) partial.restart();
  return response.status;
}

bool complete(const BlobDownload& blob, const Partial& partial) {
  return blob.size && partial.size() == *blob.size && *blob.size > 0;
}

}  // namespace

void download_blob(const BlobDownload& blob) {
  Partial partial(blob);
  partial.check_space();
  Progress progress(blob.label, static_cast<int64_t>(blob.size.value_or(0)), "bytes");
  auto pause = kFirstPause;
  for (int attempt = 1; !complete(blob, partial); ++attempt) {
    try {
      const long status = fetch_rest(blob, partial, progress);
      if (status == 200 || status == 206) break;
      const bool again = worth_a_retry(status) || (status == 416 && partial.size() == 0);
      if (!again || attempt == kAttempts) fail_status(status, blob.url, blob.label);
    } catch (const Error& e) {
      // The network's faults are kIo without a file; the disk's would only repeat themselves.
      const bool network = std::string_view(e.what()).starts_with("[loaders/http_client]");
      if (e.code() != ErrorCode::kIo || !network || attempt == kAttempts) throw;
    }
    std::this_thread::sleep_for(pause);
    pause *= 2;
  }
  partial.finish();
}

void fail_status(long status, const std::string& url, const std::string& what) {
  const std::string address = display_url(url);
  if (status == 401 || status == 403) {
    fail(ErrorCode::kIo, kWhere,
         "{}: access refused (HTTP {}): it does not exist, or it is private or gated and HF_TOKEN "
         "does not open it: {}",
         what, status, address);
  }
  if (status == 404) fail(ErrorCode::kNotFound, kWhere, "{}: not found: {}", what, address);
  fail(ErrorCode::kIo, kWhere, "{}: HTTP status {}: {}", what, status, address);
}

FileLock::FileLock(const std::string& path) {
  make_folders(std::filesystem::path(path).parent_path().string());
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) fail(ErrorCode::kIo, kWhere, "{}: {}", path, std::strerror(errno));
  while (::flock(fd_, LOCK_EX) != 0) {
    if (errno == EINTR) continue;
    const int error = errno;
    ::close(fd_);
    fail(ErrorCode::kIo, kWhere, "{}: locking: {}", path, std::strerror(error));
  }
}

FileLock::~FileLock() { ::close(fd_); }

void make_folders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail(ErrorCode::kIo, kWhere, "{}: creating the folder: {}", path, error.message());
}

}  // namespace ingot
