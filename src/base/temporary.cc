#include "base/temporary.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/error.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWhere = "base/temporary";
constexpr int kMostTries = 1000;

// What a signal handler may read: fixed memory, one owner for each slot. More entries than slots
// live on, only unseen by signals.
struct Slot {
  enum State : int { kFree, kTaken, kFile, kFolder };
  std::atomic<int> state{kFree};
  char path[PATH_MAX] = {};
};
std::array<Slot, 32> slots;

void remember(const std::string& path, bool folder) {
  if (path.size() + 1 > PATH_MAX) return;
  for (Slot& slot : slots) {
    int expected = Slot::kFree;
    if (!slot.state.compare_exchange_strong(expected, Slot::kTaken)) continue;
    std::memcpy(slot.path, path.c_str(), path.size() + 1);
    slot.state.store(folder ? Slot::kFolder : Slot::kFile);
    return;
  }
}

// The kernel's record of a folder's entry, which libc does not declare.
struct DirectoryRecord {
  uint64_t inode;
  int64_t offset;
  unsigned short length;
  unsigned char type;
  char name[1];
};

// Async-signal-safe: the files of a folder, which holds no folders, then the folder.
void remove_folder(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  alignas(DirectoryRecord) static char buffer[16384];
  long count = 0;
  while ((count = ::syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0) {
    for (long at = 0; at < count;) {
      const auto* record = reinterpret_cast<const DirectoryRecord*>(buffer + at);
      ::unlinkat(fd, record->name, 0);  // "." and ".." are refused
      at += record->length;
    }
  }
  ::close(fd);
  ::rmdir(path);
}

void on_end(int signal) {
  for (Slot& slot : slots) {
    const int state = slot.state.load();
    if (state == Slot::kFile) ::unlink(slot.path);
    if (state == Slot::kFolder) remove_folder(slot.path);
  }
  ::signal(signal, SIG_DFL);
  ::raise(signal);  // delivered when this handler returns
}

// The process of "<name>.tmp-<pid>-<n>", 0 when the name is not of that form.
pid_t owner_of(std::string_view name, std::string_view target) {
  const std::string prefix = std::string(target) + ".tmp-";
  if (!name.starts_with(prefix)) return 0;
  const char* last = name.data() + name.size();
  pid_t pid = 0;
  int number = 0;
  const auto [end, error] = std::from_chars(name.data() + prefix.size(), last, pid);
  if (error != std::errc() || end == last || *end != '-') return 0;
  const auto [stop, wrong] = std::from_chars(end + 1, last, number);
  return wrong == std::errc() && stop == last && pid > 0 ? pid : 0;
}

// A lock tells of a living owner where its number says nothing: in another container.
bool is_locked(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return true;
  const bool locked = ::flock(fd, LOCK_EX | LOCK_NB) != 0;
  ::close(fd);
  return locked;
}

void remove_stale(const fs::path& target) {
  std::error_code error;
  const fs::path folder = target.parent_path().empty() ? "." : target.parent_path();
  const std::string name = target.filename().string();
  std::vector<fs::path> stale;
  for (fs::directory_iterator it(folder, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    const pid_t pid = owner_of(it->path().filename().string(), name);
    const bool dead = pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH;
    if (dead && !is_locked(it->path().string())) stale.push_back(it->path());
  }
  for (const fs::path& path : stale) fs::remove_all(path, error);
}

}  // namespace

TemporaryEntry create_temporary(const std::string& target, bool folder) {
  static std::atomic<int> counter{0};
  remove_stale(target);
  TemporaryEntry out;
  for (int tries = 0; out.fd < 0; ++tries) {
    out.path = fmt::format("{}.tmp-{}-{}", target, ::getpid(), counter++);
    remember(out.path, folder);
    if (folder) {
      const bool made = ::mkdir(out.path.c_str(), 0777) == 0;
      if (made) out.fd = ::open(out.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } else {
      out.fd = ::open(out.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    }
    if (out.fd >= 0) break;
    const int error = errno;
    forget_temporary(out.path);
    if (error == EEXIST && tries < kMostTries) continue;
    fail(ErrorCode::kIo, kWhere, "{}: creating a temporary {} beside it: {}", target,
         folder ? "folder" : "file", std::strerror(error));
  }
  ::flock(out.fd, LOCK_EX | LOCK_NB);  // nothing is lost where a file system has no locks
  return out;
}

void forget_temporary(const std::string& path) {
  for (Slot& slot : slots) {
    const int state = slot.state.load();
    if ((state != Slot::kFile && state != Slot::kFolder) || path != slot.path) continue;
    slot.state.store(Slot::kFree);
    return;
  }
}

void remove_temporaries_on_signals() {
  ::signal(SIGXFSZ, SIG_IGN);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_DFL) continue;
    struct sigaction action {};
    action.sa_handler = on_end;
    ::sigaction(signal, &action, nullptr);
  }
}

}  // namespace ingot
