#include "capi/engine_cache.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "tests/loaders/test_files.h"

namespace ingot {
namespace engine_cache_test {

namespace fs = std::filesystem;

class EngineCache : public testing::Test {
 protected:
  // An engine of 100 bytes that was last used `minutes` ago.
  std::string engine(const std::string& name, int minutes) {
    const std::string path = dir_ / name;
    std::ofstream(path) << std::string(100, 'x');
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::minutes(minutes));
    return path;
  }
  std::vector<std::string> left() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(dir_.path())) {
      out.push_back(entry.path().filename().string());
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  ScratchDirectory dir_;
};

TEST_F(EngineCache, TheLeastRecentlyUsedGoFirst) {
  const std::string a = engine("a.engine", 10), b = engine("b.engine", 30);
  const std::string c = engine("c.engine", 20), d = engine("d.engine", 0);
  EXPECT_TRUE(evict_engines(dir_.path(), d, 400).empty()) << "they fit";
  EXPECT_THAT(evict_engines(dir_.path(), d, 299), testing::ElementsAre(b, c));
  EXPECT_THAT(left(), testing::ElementsAre("a.engine", "d.engine"));
}

TEST_F(EngineCache, UseIsWhatCounts) {
  const std::string old = engine("old.engine", 50), other = engine("other.engine", 40);
  touch_engine(old);
  touch_engine(dir_ / "gone.engine");  // no error
  EXPECT_THAT(evict_engines(dir_.path(), "", 100), testing::ElementsAre(other));
}

TEST_F(EngineCache, TheEngineInUseAndOtherFilesStay) {
  const std::string used = engine("used.engine", 90);
  engine("newer.engine", 5);
  engine("used.engine.tmp-1-0", 90);
  engine("timing_cache.json", 90);
  fs::create_directory(dir_ / "folder.engine");
  EXPECT_EQ(evict_engines(dir_.path(), used, 1).size(), 1u);
  EXPECT_THAT(left(), testing::ElementsAre("folder.engine", "timing_cache.json", "used.engine",
                                           "used.engine.tmp-1-0"));
}

TEST_F(EngineCache, ZeroIsNoLimitAndAMissingFolderIsEmpty) {
  engine("a.engine", 10);
  EXPECT_TRUE(evict_engines(dir_.path(), "", 0).empty());
  EXPECT_TRUE(evict_engines(dir_ / "none", "", 1).empty());
  EXPECT_THAT(left(), testing::ElementsAre("a.engine"));
}

}  // namespace engine_cache_test
}  // namespace ingot
