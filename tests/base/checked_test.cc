#include "base/checked.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace ingot {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

ErrorCode code_of(const std::vector<int64_t>& dims) {
  try {
    checked_elements(dims, "tensor 'x'");
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("tensor 'x'"), std::string::npos) << e.what();
    return e.code();
  }
  return ErrorCode::kInternal;  // stands for: no error
}

TEST(CheckedSize, ComputesUpToTheLastValue) {
  EXPECT_EQ((CheckedSize(kMax - 1, "n") + 1).value(), kMax);
  EXPECT_EQ((CheckedSize(1ull << 32, "n") * ((1ull << 32) - 1)).value(), (1ull << 32) * 0xffffffff);
  EXPECT_EQ((CheckedSize(7, "n") * 3 + 1).value(), 22u);
}

TEST(CheckedSize, RefusesToWrap) {
  EXPECT_THROW(CheckedSize(kMax, "n") + 1, Error);
  EXPECT_THROW(CheckedSize(1ull << 32, "n") * (1ull << 32), Error);
  EXPECT_THROW(CheckedSize(kMax, "n") * 2, Error);
}

TEST(CheckedElements, MultipliesDimensions) {
  EXPECT_EQ(checked_elements(std::vector<int64_t>{}, "x"), 1);
  EXPECT_EQ(checked_elements(std::vector<int64_t>{3, 0, 5}, "x"), 0);
  EXPECT_EQ(checked_elements(std::vector<int64_t>{int64_t{1} << 31, int64_t{1} << 31}, "x"),
            int64_t{1} << 62);
}

TEST(CheckedElements, RefusesNegativeAndHugeShapes) {
  EXPECT_EQ(code_of({2, -1}), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of({int64_t{1} << 62, 2}), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of({int64_t{1} << 32, int64_t{1} << 32}), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of({std::numeric_limits<int64_t>::max()}), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of({std::numeric_limits<int64_t>::min(), 0}), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of({0, std::numeric_limits<int64_t>::max()}), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of({0, int64_t{1} << 40, int64_t{1} << 40}), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace ingot
