#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

class MappedFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "ingot-map-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return (folder_ / name).string();
  }
  ErrorCode code_of(const std::string& path) const {
    try {
      MappedFile::open(path);
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(path), std::string::npos) << e.what();
      return e.code();
    }
    ADD_FAILURE() << path << " opened";
    return ErrorCode::kInternal;
  }
  fs::path folder_;
};

TEST_F(MappedFileTest, ShowsTheBytes) {
  const std::string text(10'000, 'q');
  const auto file = MappedFile::open(write("a", text));
  ASSERT_EQ(file->bytes().size(), text.size());
  EXPECT_EQ(std::memcmp(file->bytes().data(), text.data(), text.size()), 0);
  EXPECT_EQ(file->path(), (folder_ / "a").string());
}

TEST_F(MappedFileTest, AnEmptyFileHasNoBytes) {
  EXPECT_EQ(MappedFile::open(write("empty", ""))->bytes().size(), 0u);
}

TEST_F(MappedFileTest, LivesOnAfterTheNameIsGone) {
  const std::string path = write("a", "text");
  const auto file = MappedFile::open(path);
  fs::remove(path);
  EXPECT_EQ(file->bytes()[0], std::byte{'t'});
}

TEST_F(MappedFileTest, DroppedPagesComeBack) {
  const std::string text(100'000, 'z');
  const auto file = MappedFile::open(write("a", text));
  EXPECT_EQ(file->bytes()[50'000], std::byte{'z'});
  file->drop_pages(file->bytes());
  file->drop_pages(file->bytes().subspan(10, 3));  // less than a page: nothing happens
  EXPECT_EQ(std::memcmp(file->bytes().data(), text.data(), text.size()), 0);
}

TEST_F(MappedFileTest, RefusesWhatIsNotARegularFile) {
  EXPECT_EQ(code_of((folder_ / "none").string()), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(folder_.string()), ErrorCode::kIo);
  EXPECT_EQ(code_of("/dev/zero"), ErrorCode::kIo);
  const std::string pipe = (folder_ / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(code_of(pipe), ErrorCode::kIo);  // and opening it does not hang
}

}  // namespace
}  // namespace ingot
