#include "loaders/gguf_parts.h"

#include "loaders/gguf.h"
#include "loaders/gguf_writer.h"
#include "loaders/model_source.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

std::string part_name(int part, int count) {
  return fmt::format("m-{:05}-of-{:05}.gguf", part, count);
}

struct Part {
  int number = 0;  // from 0, as the file says
  int count = 3;
  std::vector<std::string> tensors;
  int total = -1;  // of tensors; -1: the file does not say
};

// Each tensor has four floats, the first letter of its name.
void write_part(const std::string& path, const Part& part) {
  GgufWriter writer;
  if (part.number == 0) writer.add_string("general.architecture", "llama");
  writer.add_int32("split.no", part.number);
  writer.add_int32("split.count", part.count);
  if (part.total >= 0) writer.add_int32("split.tensors.count", part.total);
  std::vector<std::string> data;
  for (const std::string& name : part.tensors) data.emplace_back(16, name[0]);
  for (size_t i = 0; i < data.size(); ++i) {
    writer.add_tensor(part.tensors[i], DType::kFloat32, {4}, as_bytes(data[i]));
  }
  writer.write(path);
}

TEST(GgufPartsTest, NamesAreNumbered) {
  EXPECT_EQ(gguf_part_names("/a/m-00001-of-00002.gguf", 2),
            (std::vector<std::string>{"/a/m-00001-of-00002.gguf", "/a/m-00002-of-00002.gguf"}));
  for (const char* wrong : {"m-00002-of-00002.gguf", "m.gguf", "m-1-of-2.gguf"}) {
    expect_error([&] { gguf_part_names(wrong, 2); }, ErrorCode::kUnsupported,
                 {wrong, "one of 2 files", "-00001-of-00002.gguf"});
  }
  for (const int64_t count : {int64_t{0}, int64_t{-1}, int64_t{65536}}) {
    expect_error([&] { gguf_part_names("m-00001-of-00000.gguf", count); }, ErrorCode::kCorrupt,
                 {"split.count", "1 to 65535", std::to_string(count)});
  }
}

TEST(GgufPartsTest, AMergedFileIsWhole) {
  ScratchDirectory dir;
  for (const int count : {0, 1}) {
    write_part(dir / "m.gguf", {0, count, {"a"}, 1});
    EXPECT_EQ(GgufFile::open(dir / "m.gguf")->names(), std::vector<std::string>{"a"});
  }
  write_part(dir / "m.gguf", {0, -1, {"a"}, 1});
  expect_error([&] { GgufFile::open(dir / "m.gguf"); }, ErrorCode::kCorrupt, {"split.count", "-1"});
}

TEST(GgufPartsTest, FilesOfTwoModelsAreNotOne) {
  EXPECT_TRUE(are_gguf_parts({"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"}));
  EXPECT_FALSE(are_gguf_parts({"m-00001-of-00002.gguf"}));
  EXPECT_FALSE(are_gguf_parts({"m-00001-of-00002.gguf", "n-00002-of-00002.gguf"}));
  EXPECT_FALSE(are_gguf_parts({"a.gguf", "b.gguf"}));
  EXPECT_FALSE(are_gguf_parts({}));
}

TEST(GgufPartsTest, TensorsOfAllPartsAreOneModel) {
  ScratchDirectory dir;
  write_part(dir / part_name(1, 3), {0, 3, {}, 3});  // its tensors may all be in the others
  write_part(dir / part_name(2, 3), {1, 3, {"a", "b"}, 3});
  write_part(dir / part_name(3, 3), {2, 3, {"c"}, 3});
  const auto file = GgufFile::open(dir / part_name(1, 3));
  EXPECT_EQ(file->names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(file->architecture(), "llama");
  EXPECT_EQ(open_model_source(dir.path()).weights->names(), file->names()) << "the folder";
  EXPECT_EQ(file->files().size(), 3u);
  EXPECT_EQ(file->headers().size(), 3u);
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_EQ(static_cast<char>(file->require(name, {4}).bytes[15]), name[0]);
  }
  // A change in any part makes it another model.
  const std::string before = open_model_source(dir / part_name(1, 3)).identity;
  write_part(dir / part_name(3, 3), {2, 3, {"d"}, 3});
  EXPECT_NE(open_model_source(dir / part_name(1, 3)).identity, before);
}

TEST(GgufPartsTest, PartsOfAnotherModelAreRefused) {
  ScratchDirectory dir;
  const std::string first = dir / part_name(1, 2);
  const std::string second = dir / part_name(2, 2);
  const auto refused = [&](const Part& part, const std::vector<std::string>& says) {
    write_part(second, part);
    std::vector<std::string> all = says;
    expect_error([&] { GgufFile::open(first); }, ErrorCode::kCorrupt, all);
  };
  write_part(first, {0, 2, {"a"}, 2});
  expect_error([&] { GgufFile::open(first); }, ErrorCode::kNotFound, {second});
  refused({0, 2, {"b"}}, {second, "'split.no': expected 1, found 0"});
  refused({1, 3, {"b"}}, {second, "'split.count': expected 2, found 3"});
  refused({1, 2, {"a"}}, {second, "tensor 'a' is in a part before it too"});
  refused({1, 2, {"b", "c"}}, {first, "'split.tensors.count': expected 3, found 2"});
  write_part(second, {1, 2, {"b"}});
  expect_error([&] { GgufFile::open(second); }, ErrorCode::kUnsupported,
               {second, "expected the name of the first"});
  write_part(first, {1, 2, {"a"}});
  expect_error([&] { GgufFile::open(first); }, ErrorCode::kCorrupt,
               {first, "'split.no': expected 0, found 1"});
}

}  // namespace
}  // namespace ingot
