#include "base/file.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "base/error.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "ingot-file-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  size_t entries() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  fs::path folder_;
};

ErrorCode code_of(const std::function<void()>& body, const std::string& mention) {
  try {
    body();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(mention), std::string::npos) << e.what();
    return e.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kInternal;
}

TEST_F(FileTest, AppearsOnlyAtCommit) {
  {
    AtomicFile file(path("a"));
    file.write("hello");
    file.pad_to(8);
    EXPECT_EQ(file.size(), 8u);
    file.pad_to(8);
    EXPECT_EQ(file.size(), 8u);
    file.write_at(0, std::as_bytes(std::span("J", 1)));
    EXPECT_FALSE(is_regular_file(path("a")));
    file.commit();
  }
  EXPECT_EQ(read_file(path("a")), std::string("Jello\0\0\0", 8));
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, WithoutCommitLeavesNothingAndKeepsTheOld) {
  std::ofstream(path("a")) << "old";
  {
    AtomicFile file(path("a"));
    file.write("new and longer");
  }
  EXPECT_EQ(read_file(path("a")), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, CommitReplacesTheOldFile) {
  std::ofstream(path("a")) << "old";
  AtomicFile file(path("a"));
  file.write("new");
  file.commit();
  EXPECT_EQ(read_file(path("a")), "new");
}

// As root a rename would replace a device; a pipe stands for one here.
TEST_F(FileTest, WhatIsNoRegularFileStays) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  fs::create_symlink("pipe", path("link"));
  fs::create_directory(path("folder"));
  fs::create_symlink("loop", path("loop"));
  for (const auto& [name, found] : {std::pair{"pipe", "found a pipe"},
                                    {"link", "found a pipe"},
                                    {"folder", "found a directory"},
                                    {"loop", "found a symbolic link"}}) {
    EXPECT_NE(why_not_writable(path(name)).find(found), std::string::npos) << name;
    EXPECT_EQ(code_of([&] { AtomicFile file(path(name)); }, found), ErrorCode::kIo);
  }
  EXPECT_TRUE(fs::is_fifo(path("pipe")));
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_EQ(entries(), 4u);
}

TEST_F(FileTest, ASymbolicLinkStaysAndItsTargetIsWritten) {
  fs::create_directory(path("folder"));
  std::ofstream(path("folder/a")) << "old";
  fs::create_symlink("folder/a", path("first"));
  fs::create_symlink(path("first"), path("second"));
  fs::create_symlink("folder/new", path("dangling"));
  fs::create_symlink("none/a", path("astray"));
  for (const auto& [link, target] : {std::pair{"second", "folder/a"}, {"dangling", "folder/new"}}) {
    AtomicFile file(path(link));
    file.write("new");
    file.commit();
    EXPECT_TRUE(fs::is_symlink(path(link))) << link;
    EXPECT_FALSE(fs::is_symlink(path(target))) << target;
    EXPECT_EQ(read_file(path(target)), "new");
  }
  EXPECT_NE(why_not_writable(path("astray")).find("expected the folder"), std::string::npos);
}

TEST_F(FileTest, TwoWritersOfOnePathDoNotCollide) {
  AtomicFile first(path("a"));
  AtomicFile second(path("a"));
  first.write("first");
  second.write("second");
  first.commit();
  second.commit();
  EXPECT_EQ(read_file(path("a")), "second");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, ErrorsNameThePath) {
  EXPECT_EQ(code_of([&] { read_file(path("none")); }, path("none")), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { read_file(folder_.string()); }, folder_.string()), ErrorCode::kIo);
  EXPECT_EQ(code_of([&] { AtomicFile file(path("none/a")); }, "none/a"), ErrorCode::kIo);
  std::ofstream(path("big")) << std::string(100, 'x');
  EXPECT_EQ(code_of([&] { read_file(path("big"), 99); }, "at most 99 bytes"), ErrorCode::kCorrupt);
  EXPECT_EQ(read_file(path("big"), 100).size(), 100u);
  EXPECT_EQ(code_of([&] { read_file("/dev/zero", 1000); }, "/dev/zero"), ErrorCode::kCorrupt);
}

// A shell's <(command), and a named pipe that nobody has opened yet.
TEST_F(FileTest, APipeIsWaitedFor) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  std::thread writer([&] {
    ::usleep(20000);
    std::ofstream pipe(path("pipe"));
    pipe << "a slow " << std::flush;
    ::usleep(20000);
    pipe << "writer";
  });
  EXPECT_EQ(read_file(path("pipe")), "a slow writer");
  writer.join();
  EXPECT_EQ(code_of([&] { read_regular_file(path("pipe")); }, "regular file, found a pipe"),
            ErrorCode::kIo);
  EXPECT_EQ(code_of([&] { read_regular_file(path("none")); }, "none"), ErrorCode::kNotFound);
}

TEST_F(FileTest, ASignalEndsTheWaitForAPipe) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
  std::atomic<bool> over = false;
  std::thread sender([&, waiting = ::pthread_self()] {
    while (!over) {
      ::usleep(1000);
      ::pthread_kill(waiting, SIGUSR1);
    }
  });
  EXPECT_EQ(code_of([&] { read_file(path("pipe")); }, path("pipe")), ErrorCode::kCancelled);
  over = true;
  sender.join();
  ASSERT_EQ(::sigaction(SIGUSR1, &before, nullptr), 0);
}

TEST_F(FileTest, KindsOfPaths) {
  std::ofstream(path("a")) << "x";
  EXPECT_TRUE(is_regular_file(path("a")));
  EXPECT_FALSE(is_directory(path("a")));
  EXPECT_TRUE(is_directory(folder_.string()));
  EXPECT_FALSE(is_regular_file(folder_.string()));
  EXPECT_FALSE(is_regular_file(path("none")));
}

TEST_F(FileTest, SaysWhatIsThere) {
  const auto holds = [&](const std::string& bytes) {
    std::ofstream(path("a"), std::ios::binary) << bytes;
    return describe_path(path("a"));
  };
  EXPECT_EQ(holds(""), "an empty file");
  EXPECT_EQ(holds("{\"a\""), "a file of 4 bytes that begins with 7b 22 61 22");
  EXPECT_EQ(holds("root:x:0:0:"), "a file of 11 bytes that begins with 72 6f 6f 74 3a 78 3a 30");
  EXPECT_EQ(holds("GGUF1234"), "a GGUF file of 8 bytes");
  EXPECT_EQ(holds(std::string("\x02\0\0\0\0\0\0\0{}", 10)), "a safetensors file of 10 bytes");
  EXPECT_EQ(holds(std::string("\x03\0\0\0\0\0\0\0{}", 10)).substr(0, 12), "a file of 10");
  EXPECT_EQ(holds(std::string("\x08\0\0\0\0\0\0\0", 8)).substr(0, 11), "a file of 8");
  EXPECT_EQ(holds("PK\x03\x04-----").substr(0, 13), "a ZIP archive");
  EXPECT_EQ(holds("version https://git-lfs.github.com/spec/v1").substr(0, 17), "a Git LFS pointer");
  EXPECT_EQ(describe_path(folder_.string()), "a directory");
  EXPECT_EQ(describe_path("/dev/null"), "a character device");
  EXPECT_EQ(describe_path(path("none")), "nothing");
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(describe_path(path("pipe")), "a pipe");
}

TEST_F(FileTest, SaysWhyNothingCanBeWritten) {
  EXPECT_EQ(why_not_writable(path("a")), "");
  EXPECT_EQ(why_not_writable("a"), "");
  EXPECT_EQ(why_not_writable(path("none/a")),
            "expected the folder " + path("none/") + ", found nothing");
  std::ofstream(path("file")) << "x";
  EXPECT_NE(why_not_writable(path("file/a")).find("expected the folder"), std::string::npos);
  if (::geteuid() == 0) return;  // root writes anywhere
  ASSERT_EQ(::chmod(folder_.c_str(), 0500), 0);
  EXPECT_NE(why_not_writable(path("a")).find("cannot be written to"), std::string::npos);
  ASSERT_EQ(::chmod(folder_.c_str(), 0700), 0);
}

// The kernel refuses a write past the limit: the same road as a full disk, without needing a mount.
TEST_F(FileTest, AWriteThatTheSystemRefusesLeavesNothing) {
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = before;
  small.rlim_cur = 100'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const ErrorCode code = code_of(
      [&] {
        AtomicFile file(path("a"));
        for (int i = 0; i < 10; ++i) file.write(std::string(30'000, 'x'));
        file.commit();
      },
      path("a"));
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(code, ErrorCode::kIo);
  EXPECT_EQ(entries(), 0u);
}

// A really full disk: a file system of 64 KiB in a mount namespace of its own, seen by a child.
TEST_F(FileTest, AFullDiskLeavesNothing) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const int flags = CLONE_NEWNS | (::geteuid() == 0 ? 0 : CLONE_NEWUSER);
    if (::unshare(flags) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=64k") != 0) {
      ::_exit(77);
    }
    int status = 1;
    try {
      AtomicFile file(path("a"));
      file.write(std::string(1 << 20, 'x'));
      file.commit();
    } catch (const Error& e) {
      const bool told = std::string(e.what()).find("No space left") != std::string::npos;
      status = e.code() == ErrorCode::kIo && told ? 0 : 2;
    }
    if (entries() != 0) status = 3;
    ::_exit(status);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "77: this machine lets nobody mount a tmpfs";
}

}  // namespace
}  // namespace ingot
