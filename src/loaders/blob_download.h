// One file from the network to its place: resumed, hashed, whole or not at all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ingot {

enum class BlobHash { kNone, kSha256, kGitBlob };

struct BlobDownload {
  std::string url;
  std::string token;             // see HttpRequest
  std::string target;            // appears when everything was right; TARGET.incomplete until then
  std::string label;             // for the progress bar and messages
  std::optional<uint64_t> size;  // bytes expected, if the server told
  BlobHash hash = BlobHash::kNone;
  std::string digest;  // lower-case hex
};

// Continues TARGET.incomplete with a Range request if it is there, retries a cut connection and
// server errors (5xx, 429) up to five times with growing pauses. Error{kIo}: network, refused
// access, disk full (known before the download starts where the size is known); kNotFound: 404;
// kCorrupt: wrong size or hash, the incomplete file is removed then. The target's folder must
// exist; callers keep others away from the target (FileLock).
void download_blob(const BlobDownload& blob);

// An exclusive flock on a file, made with its folder; waits for other holders. Error{kIo}.
class FileLock {
 public:
  explicit FileLock(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_;
};

// Creates the folder and its parents; Error{kIo} names it.
void make_folders(const std::string& path);

// Turns an HTTP status that is not a success into an Error that says what it means. `what` opens
// the message's subject.
[[noreturn]] void fail_status(long status, const std::string& url, const std::string& what);

}  // namespace ingot
