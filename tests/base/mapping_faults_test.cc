#include "base/mapping_faults.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/mapped_file.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

class MappingFaultsTest : public testing::Test {
 protected:
  void SetUp() override {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    const int fd = ::mkstemp(path_.data());
    ASSERT_GE(fd, 0);
    ::close(fd);
    fs::resize_file(path_, 1 << 16);
  }
  void TearDown() override { fs::remove(path_); }

  std::string path_ = (fs::temp_directory_path() / "ingot-faults-XXXXXX").string();
};

TEST_F(MappingFaultsTest, AFileThatIsCutIsNamed) {
  const auto cut = [&] {
    name_mapping_faults();
    const auto other = MappedFile::open("/proc/self/exe");
    const auto file = MappedFile::open(path_);
    fs::resize_file(path_, 100);
    const volatile std::byte* bytes = file->bytes().data();
    (void)bytes[99];
    (void)bytes[1 << 15];
  };
  EXPECT_EXIT(cut(), testing::ExitedWithCode(1),
              "ingot-faults-......: a part of it cannot be read any more");
}

TEST_F(MappingFaultsTest, OtherFaultsEndTheProcessAsBefore) {
  const auto cut = [&] {
    name_mapping_faults();
    const auto file = MappedFile::open(path_);
    forget_mapping(file->bytes().data());
    fs::resize_file(path_, 100);
    const volatile std::byte* bytes = file->bytes().data();
    (void)bytes[1 << 15];
  };
  EXPECT_EXIT(cut(), testing::KilledBySignal(SIGBUS), "");
}

TEST_F(MappingFaultsTest, MoreMappingsThanPlacesDoNoHarm) {
  const auto place = [](uintptr_t i) { return reinterpret_cast<const void*>(4096 * i); };
  for (uintptr_t i = 1; i <= 2000; ++i) note_mapping(place(i), 1, "x");
  for (uintptr_t i = 1; i <= 2000; ++i) forget_mapping(place(i));
  const auto file = MappedFile::open(path_);
  EXPECT_EQ(file->bytes().size(), size_t{1} << 16);
}

}  // namespace
}  // namespace ingot
