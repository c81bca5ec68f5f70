#include "loaders/safetensors.h"

#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

void expect_refused(std::string_view header, size_t data_bytes, ErrorCode code,
                    const std::vector<std::string>& parts) {
  SCOPED_TRACE(header);
  const std::string bytes = encode_safetensors(header, data_bytes);
  std::vector<std::string> all = {"[loaders/safetensors] file.st"};
  all.insert(all.end(), parts.begin(), parts.end());
  expect_error([&] { SafetensorsFile::parse(as_bytes(bytes), "file.st"); }, code, all);
}

TEST(SafetensorsTest, ReadsGolden) {
  auto weights = SafetensorsFile::open(golden_path("llama-mha") + "/model.safetensors");
  const WeightInfo& info = weights->require("lm_head.weight");
  EXPECT_EQ(info.shape, (Shape{512, 128}));
  EXPECT_EQ(info.type, ElementType(DType::kBFloat16));
  EXPECT_EQ(info.bytes.size(), 131072u);
  EXPECT_EQ(weights->names().front(), "lm_head.weight");
  EXPECT_EQ(weights->find("none"), nullptr);
  expect_error([&] { weights->require("none"); }, ErrorCode::kNotFound,
               {"model.safetensors", "'none' is missing"});
  expect_error(
      [&] {
        weights->require("lm_head.weight", {1, 2});
      },
      ErrorCode::kCorrupt, {"lm_head.weight", "expected shape [1, 2], found [512, 128]"});
}

TEST(SafetensorsTest, ReadsMetadataEmptyTensorsAndAnyOrder) {
  const std::string bytes = encode_safetensors(
      R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[8,10]},"__metadata__":{"k":"v","":"e"},)"
      R"("a":{"data_offsets":[0,8],"dtype":"F32","shape":[1,2]},)"
      R"("e":{"dtype":"F16","shape":[0,7],"data_offsets":[10,10]},)"
      R"("s":{"dtype":"BOOL","shape":[],"data_offsets":[10,11]}}   )",
      11);
  auto file = SafetensorsFile::parse(as_bytes(bytes), "x");
  EXPECT_EQ(file->names(), (std::vector<std::string>{"a", "b", "e", "s"}));
  EXPECT_EQ(file->metadata().at("k"), "v");
  EXPECT_EQ(file->metadata().at(""), "e");
  EXPECT_EQ(file->require("b").bytes[1], std::byte{9});
  EXPECT_EQ(file->require("e").shape, (Shape{0, 7}));
  EXPECT_TRUE(file->require("s").shape.empty());
}

TEST(SafetensorsTest, UnalignedTensorsAreCopiedToAlignedMemory) {
  const std::string bytes =
      encode_safetensors(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                         R"("b":{"dtype":"F64","shape":[2],"data_offsets":[1,17]}})",
                         17);
  auto file = SafetensorsFile::parse(as_bytes(bytes), "x");
  const auto data = file->require("b").bytes;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(data.data()) % 8, 0u);
  ASSERT_EQ(data.size(), 16u);
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(data[i], static_cast<std::byte>(i + 1));
}

TEST(SafetensorsTest, RefusesBadExtents) {
  const auto corrupt = ErrorCode::kCorrupt;
  expect_refused(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 3, corrupt,
                 {"'a'", "[0, 4]", "3 data bytes"});
  expect_refused(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 5, corrupt,
                 {"end at offset 4, the data at 5"});
  expect_refused(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})", 4, corrupt, {"'a'"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,4]}})", 4, corrupt,
                 {"F32 [4] needs 16 bytes", "give 4"});
  expect_refused(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                 R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                 3, corrupt, {"'b'", "expected data at offset 2", "found 1"});
  expect_refused(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                 R"("b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}})",
                 5, corrupt, {"'b'", "expected data at offset 2", "found 3"});
  expect_refused(R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},)"
                 R"("a":{"dtype":"U8","shape":[],"data_offsets":[1,2]}})",
                 2, corrupt, {"'a' appears twice"});
}

TEST(SafetensorsTest, RefusesBadShapes) {
  const auto corrupt = ErrorCode::kCorrupt;
  for (const char* shape :
       {"[9223372036854775808]", "[4294967296,2147483648]", "[18446744073709551615,2]",
        "[0,18446744073709551615]", "[3037000500,3037000500,3]"}) {
    expect_refused(
        fmt::format(R"({{"a":{{"dtype":"U8","shape":{},"data_offsets":[0,0]}}}})", shape), 0,
        corrupt, {"'a'", "2^58"});
  }
  expect_refused(R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}})", 0, corrupt,
                 {"'a': 'shape'", "found -1"});
  expect_refused(R"({"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,0]}})", 0, corrupt,
                 {"'a': 'shape'", "found 1.5"});
  expect_refused(R"({"a":{"dtype":"U8","shape":[1e400],"data_offsets":[0,0]}})", 0, corrupt, {});
  expect_refused(R"({"a":{"dtype":"U8","shape":[99999999999999999999999],"data_offsets":[0,0]}})",
                 0, corrupt, {"'a': 'shape'"});
}

TEST(SafetensorsTest, NamesUnsupportedDTypes) {
  for (const char* dtype : {"F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "C64", "f32", ""}) {
    expect_refused(
        fmt::format(R"({{"a":{{"dtype":"{}","shape":[],"data_offsets":[0,1]}}}})", dtype), 1,
        ErrorCode::kUnsupported,
        {"'a'", "expected a dtype of F32, F16, BF16, F64, I8", fmt::format("found '{}'", dtype)});
  }
}

TEST(SafetensorsTest, RefusesBadHeaders) {
  const auto corrupt = ErrorCode::kCorrupt;
  for (const char* header : {"",
                             "{",
                             "[]",
                             "null",
                             "3",
                             "\"x\"",
                             "{}{}",
                             "{\"a\":3}",
                             "{\"a\":{}}",
                             "{\"a\":[]}",
                             R"({"a":{"dtype":"U8","shape":[]}})",
                             R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0]}})",
                             R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1,2]}})",
                             R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})",
                             R"({"a":{"dtype":"U8","shape":{},"data_offsets":[0,1]}})",
                             R"({"a":{"dtype":8,"shape":[],"data_offsets":[0,1]}})",
                             R"({"a":{"dtype":"U8","dtype":"U8","shape":[],"data_offsets":[0,1]}})",
                             R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"more":1}})",
                             R"({"__metadata__":{"a":1}})",
                             R"({"__metadata__":"a"})",
                             R"({"__metadata__":{"a":{}}})",
                             R"({"__metadata__":{"a":"1","a":"2"}})",
                             R"({"__metadata__":{},"__metadata__":{}})",
                             "{\"\xff\":{}}"}) {
    expect_refused(header, 1, corrupt, {});
  }
  // Deep nesting is cut at the first level that does not belong.
  expect_refused(std::string(1'000'000, '['), 0, corrupt, {});
  expect_refused("{\"a\":" + std::string(1'000'000, '{'), 0, corrupt, {});
}

TEST(SafetensorsTest, RefusesBadHeaderLength) {
  auto with_length = [](uint64_t length) {
    std::string bytes = encode_safetensors("{}", 0);
    std::memcpy(bytes.data(), &length, 8);
    return bytes;
  };
  for (uint64_t length : {uint64_t{3}, uint64_t{100'000'001}, UINT64_MAX, uint64_t{1} << 63}) {
    const std::string bytes = with_length(length);
    expect_error([&] { SafetensorsFile::parse(as_bytes(bytes), "f"); }, ErrorCode::kCorrupt,
                 {"f: header"});
  }
  EXPECT_TRUE(SafetensorsFile::parse(as_bytes(with_length(2)), "f")->names().empty());
}

TEST(SafetensorsTest, EveryTruncationIsAnError) {
  const std::string bytes = read_file(golden_path("mistral-swa/model.safetensors"));
  const uint64_t header = 8 + *reinterpret_cast<const uint64_t*>(bytes.data());
  std::vector<size_t> cuts = {0, 1, 7, 8, 9, header - 1, header, header + 1, bytes.size() - 1};
  for (size_t i = 1; i < 64; ++i) cuts.push_back(bytes.size() / 64 * i);
  for (size_t cut : cuts) {
    const auto part = as_bytes(bytes).first(cut);
    expect_error([&] { SafetensorsFile::parse(part, "cut.st"); }, ErrorCode::kCorrupt,
                 {"[loaders/safetensors] cut.st: "});
  }
  expect_error([&] { SafetensorsFile::parse(as_bytes(bytes + "x"), "cut.st"); },
               ErrorCode::kCorrupt, {"the tensors end at offset"});
}

TEST(SafetensorsTest, BitFlipsInTheHeaderEndCleanly) {
  std::string bytes = read_file(golden_path("mistral-swa/golden.safetensors"));
  const uint64_t header = 8 + *reinterpret_cast<const uint64_t*>(bytes.data());
  for (size_t bit = 0; bit < header * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    EXPECT_TRUE(ends_cleanly([&] { SafetensorsFile::parse(as_bytes(bytes), "f.st"); }, "f.st"));
    bytes[bit / 8] ^= static_cast<char>(1 << (bit % 8));
  }
}

TEST(SafetensorsTest, WriterRoundTrip) {
  ScratchDirectory dir;
  const std::string path = dir / "out.safetensors";
  SafetensorsWriter writer(path,
                           {{"b\"\n", DType::kUInt8, {3}},
                            {"a", DType::kFloat32, {2, 2}},
                            {"c", DType::kInt64, {1}},
                            {"none", DType::kFloat16, {0, 3}}},
                           {{"k", "v\"w"}});
  std::vector<std::string> order;
  uint8_t fill = 1;
  for (const SafetensorsSpec& spec : writer.tensors()) {
    order.push_back(spec.name);
    writer.write(std::vector<std::byte>(spec.bytes(), std::byte{fill++}));
  }
  EXPECT_EQ(order, (std::vector<std::string>{"c", "a", "none", "b\"\n"}));
  EXPECT_FALSE(is_regular_file(path));
  const uint64_t size = writer.commit();
  EXPECT_EQ(size, std::filesystem::file_size(path));
  auto file = SafetensorsFile::open(path);
  EXPECT_EQ(file->metadata().at("k"), "v\"w");
  EXPECT_EQ(file->require("a").shape, (Shape{2, 2}));
  EXPECT_EQ(file->require("a").bytes[15], std::byte{2});
  EXPECT_EQ(file->require("b\"\n").bytes[0], std::byte{4});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file->require("c").bytes.data()) % 64, 0u);
  expect_error(
      [&] {
        SafetensorsWriter twice(path, {{"a", DType::kInt8, {}}, {"a", DType::kInt8, {}}}, {});
      },
      ErrorCode::kInvalidArgument, {"'a' is given twice"});
}

TEST(SafetensorsTest, UnfinishedWriterLeavesNothing) {
  ScratchDirectory dir;
  {
    SafetensorsWriter writer(dir / "out.safetensors", {{"a", DType::kInt8, {4}}}, {});
    writer.write(std::vector<std::byte>(2));
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

}  // namespace
}  // namespace ingot
