#include "loaders/stored_zip.h"

#include "tests/loaders/torch_archive.h"

namespace ingot {
namespace {

std::map<std::string, std::string> read(const std::string& bytes) {
  std::map<std::string, std::string> out;
  for (const auto& [name, view] : read_stored_zip(as_bytes(bytes), "test", "a.zip")) {
    out[name] = std::string(reinterpret_cast<const char*>(view.data()), view.size());
  }
  return out;
}

TEST(StoredZipTest, FilesAreViews) {
  StoredZip zip;
  zip.add("a", "one");
  zip.add("b/c", "");
  zip.add("d", "three", 0, true);
  const std::map<std::string, std::string> expected = {{"a", "one"}, {"b/c", ""}, {"d", "three"}};
  EXPECT_EQ(read(zip.take()), expected);
  EXPECT_EQ(read(zip.take("a comment")), expected);
  EXPECT_TRUE(read(StoredZip().take()).empty());
}

TEST(StoredZipTest, WhatIsNotAsItIs) {
  const auto refused = [](const std::string& bytes, ErrorCode code, const std::string& part) {
    expect_error([&] { read(bytes); }, code, {"[test] a.zip", part});
  };
  StoredZip packed;
  packed.add("a", "one", 8);
  refused(packed.take(), ErrorCode::kUnsupported, "'a': expected a stored file, found method 8");
  StoredZip twice;
  twice.add("a", "one");
  twice.add("a", "two");
  refused(twice.take(), ErrorCode::kCorrupt, "'a' is there twice");
  refused("PK", ErrorCode::kCorrupt, "found 2 bytes");
  refused(std::string(100, 'x'), ErrorCode::kCorrupt, "no end of a ZIP archive");
  StoredZip zip;
  zip.add("a", "one");
  std::string moved = zip.take();
  moved[0] = 'X';  // the local header
  refused(moved, ErrorCode::kCorrupt, "'a': expected its header at offset 0");
  std::string far = zip.take();
  far[far.size() - 6] = static_cast<char>(0xf0);  // the directory's offset
  refused(far, ErrorCode::kCorrupt, "a.zip");
}

}  // namespace
}  // namespace ingot
