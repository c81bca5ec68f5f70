#include "loaders/gguf.h"

#include <algorithm>
#include <cstring>

#include "loaders/gguf_writer.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

// Bytes of a tensor, counting up.
std::string counting(size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>(i);
  return out;
}

// A file with one value of every kind and four tensors.
std::string sample() {
  GgufWriter writer;
  writer.add_string("general.architecture", "llama");
  writer.add_uint32("u32", 7);
  writer.add_int32("i32", -7);
  writer.add_uint64("u64", uint64_t{1} << 40);
  writer.add_float32("f32", 0.5f);
  writer.add_bool("flag", true);
  const std::string texts[] = {"a", "", "\xc3\xa9"};
  writer.add_strings("texts", texts);
  const int32_t ints[] = {1, -2, 3};
  writer.add_int32s("ints", ints);
  const float floats[] = {1.5f, -2.5f};
  writer.add_float32s("floats", floats);
  static const std::string data = counting(4096);
  const auto bytes = as_bytes(data);
  writer.add_tensor("a.weight", DType::kFloat32, {3, 2}, bytes.first(24));
  writer.add_tensor("b.weight", ElementType(*find_block_format("q4_1")), {2, 64}, bytes.first(80));
  writer.add_tensor("c.weight", DType::kBFloat16, {1, 2, 3, 4}, bytes.first(48));
  writer.add_tensor("scalar", DType::kFloat16, {}, bytes.first(2));
  return writer.encode();
}

void expect_refused(const std::string& bytes, ErrorCode code,
                    const std::vector<std::string>& parts) {
  std::vector<std::string> all = {"[loaders/gguf] x.gguf: "};
  all.insert(all.end(), parts.begin(), parts.end());
  expect_error([&] { GgufFile::parse(as_bytes(bytes), "x.gguf"); }, code, all);
}

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put_text(std::string& out, std::string_view text) {
  put<uint64_t>(out, text.size());
  out += text;
}
// Start of a file with the given counts.
std::string opening(uint64_t tensors, uint64_t values, uint32_t version = 3) {
  std::string out = "GGUF";
  put(out, version);
  put(out, tensors);
  put(out, values);
  return out;
}
// A file of one tensor with freely chosen fields and `data` bytes of data.
std::string one_tensor(const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset,
                       size_t data) {
  std::string out = opening(1, 0);
  put_text(out, "t");
  put(out, static_cast<uint32_t>(dims.size()));
  for (uint64_t dim : dims) put(out, dim);
  put(out, type);
  put(out, offset);
  out.resize((out.size() + 31) / 32 * 32 + data);
  return out;
}

TEST(GgufTest, RoundTrip) {
  const std::string bytes = sample();
  auto file = GgufFile::parse(as_bytes(bytes), "x.gguf");
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(file->architecture(), "llama");
  EXPECT_EQ(file->require_int("u32"), 7);
  EXPECT_EQ(file->require_int("i32"), -7);
  EXPECT_EQ(file->require_int("u64"), int64_t{1} << 40);
  EXPECT_EQ(file->require_float("f32"), 0.5);
  EXPECT_EQ(file->require_float("u32"), 7.0);
  EXPECT_TRUE(file->require_bool("flag"));
  EXPECT_EQ(file->require_strings("texts"), (std::vector<std::string_view>{"a", "", "\xc3\xa9"}));
  EXPECT_EQ(file->require_ints("ints"), (std::vector<int64_t>{1, -2, 3}));
  EXPECT_EQ(file->require_floats("floats"), (std::vector<float>{1.5f, -2.5f}));
  EXPECT_EQ(file->get_int("none", 5), 5);
  EXPECT_EQ(file->get_string("none", "d"), "d");
  EXPECT_EQ(file->names(),
            (std::vector<std::string>{"a.weight", "b.weight", "c.weight", "scalar"}));
  EXPECT_EQ(file->require("a.weight").shape, (Shape{3, 2}));
  EXPECT_EQ(file->require("b.weight").type.name(), "q4_1");
  EXPECT_EQ(file->require("b.weight").bytes.size(), 80u);
  EXPECT_EQ(file->require("b.weight").bytes[79], std::byte{79});
  EXPECT_EQ(file->require("c.weight").shape, (Shape{1, 2, 3, 4}));
  EXPECT_TRUE(file->require("scalar").shape.empty());
}

// tests/data/loaders/sample.gguf is written by the reference writer
// (tools/make_loader_fixtures.py).
TEST(GgufTest, ReadsTheReferenceWritersFile) {
  auto file = GgufFile::open(std::string(INGOT_TEST_DATA) + "/loaders/sample.gguf");
  EXPECT_EQ(file->architecture(), "llama");
  EXPECT_EQ(file->require_int("llama.block_count"), 1);
  EXPECT_EQ(file->require_int("v.u8"), 200);
  EXPECT_EQ(file->require_int("v.i8"), -100);
  EXPECT_EQ(file->require_int("v.u16"), 60000);
  EXPECT_EQ(file->require_int("v.i16"), -30000);
  EXPECT_EQ(file->require_int("v.u32"), 4000000000);
  EXPECT_EQ(file->require_int("v.i32"), -2000000000);
  EXPECT_EQ(file->require_int("v.i64"), -(int64_t{1} << 62));
  expect_error([&] { file->require_int("v.u64"); }, ErrorCode::kCorrupt,
               {"'v.u64'", "fits 63 bits", "uint64"});
  EXPECT_EQ(file->require_float("v.f32"), 0.25);
  EXPECT_EQ(file->require_float("v.f64"), 1e300);
  EXPECT_TRUE(file->require_bool("v.bool"));
  EXPECT_EQ(file->require_floats("v.floats"), (std::vector<float>{0.5f, -1.5f}));
  EXPECT_EQ(file->require_strings("tokenizer.ggml.tokens").back(), "\xc3\xa9");
  EXPECT_EQ(file->require("f32").shape, (Shape{2, 6}));
  EXPECT_EQ(file->require("f16").shape, (Shape{2, 2, 32}));
  EXPECT_EQ(file->require("bf16").type, ElementType(DType::kBFloat16));
  EXPECT_EQ(file->require("q6_k").shape, (Shape{1, 256}));
  EXPECT_EQ(file->require("i32").bytes[4], std::byte{1});
  // The same rows in every type: they agree with float32 within the coarsest step.
  float rows[6];
  std::memcpy(rows, file->require("f32").bytes.data(), sizeof rows);
  for (const char* name : {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0"}) {
    const WeightInfo& info = file->require(name);
    EXPECT_EQ(info.shape, (Shape{2, 64})) << name;
    float block[32];
    info.type.block->decode(info.bytes.data(), 1, block);
    for (int i = 0; i < 6; ++i) EXPECT_NEAR(block[i], rows[i], 0.35) << name;
  }
}

TEST(GgufTest, VersionTwoIsRead) {
  std::string bytes = sample();
  bytes[4] = 2;
  EXPECT_EQ(GgufFile::parse(as_bytes(bytes), "x")->version(), 2u);
}

TEST(GgufTest, TypeMismatchesNameTheKey) {
  const std::string bytes = sample();
  auto file = GgufFile::parse(as_bytes(bytes), "x.gguf");
  const auto corrupt = ErrorCode::kCorrupt;
  expect_error([&] { file->require_int("f32"); }, corrupt,
               {"'f32'", "expected an integer", "found float32"});
  expect_error([&] { file->require_float("texts"); }, corrupt, {"'texts'", "array of 3 string"});
  expect_error([&] { file->require_bool("u32"); }, corrupt, {"'u32'", "expected boolean"});
  expect_error([&] { file->get_string("u32", ""); }, corrupt, {"'u32'", "expected string"});
  expect_error([&] { file->require_strings("ints"); }, corrupt,
               {"'ints'", "expected array of strings"});
  expect_error([&] { file->require_ints("texts"); }, corrupt, {"'texts'"});
  expect_error([&] { file->require_ints("floats"); }, corrupt, {"'floats'"});
  expect_error([&] { file->require_floats("u32"); }, corrupt, {"'u32'", "expected array"});
  expect_error([&] { file->require_int("none"); }, corrupt, {"'none' is missing"});
}

TEST(GgufTest, RefusesOtherFiles) {
  expect_refused("", ErrorCode::kCorrupt, {"magic at offset 0", "0 left"});
  expect_refused("GGML....", ErrorCode::kCorrupt, {"expected 'GGUF'"});
  expect_refused(opening(0, 0, 1), ErrorCode::kUnsupported, {"expected 2 or 3, found 1"});
  expect_refused(opening(0, 0, 4), ErrorCode::kUnsupported, {"expected 2 or 3, found 4"});
  expect_refused(opening(0, 0, 0), ErrorCode::kUnsupported, {"expected 2 or 3, found 0"});
  expect_refused(opening(0, 0, 0x03000000), ErrorCode::kUnsupported, {"big-endian"});
}

TEST(GgufTest, AFileCutShortIsToldSo) {
  const std::string whole = sample();
  std::string many = opening(272, 20) + std::string(76, ' ');
  expect_refused(many, ErrorCode::kCorrupt,
                 {"number of tensors at offset 8: found 272", "the file ends after 100 bytes"});
  expect_refused(
      whole.substr(0, whole.size() - 100), ErrorCode::kCorrupt,
      {"tensor '", "needs", fmt::format("the file ends after {} bytes", whole.size() - 100)});
}

TEST(GgufTest, CountsAreCheckedBeforeAllocation) {
  for (uint64_t count : {uint64_t{1}, uint64_t{1} << 32, uint64_t{1} << 63, UINT64_MAX}) {
    expect_refused(opening(count, 0), ErrorCode::kCorrupt, {"number of tensors", "found"});
    expect_refused(opening(0, count), ErrorCode::kCorrupt, {"number of metadata entries"});
    for (uint32_t element : {0u, 5u, 8u, 10u}) {
      std::string bytes = opening(0, 1);
      put_text(bytes, "k");
      put<uint32_t>(bytes, 9);
      put(bytes, element);
      put(bytes, count);
      expect_refused(bytes, ErrorCode::kCorrupt, {"'k'", fmt::format("{} elements", count)});
    }
    std::string bytes = opening(0, 1);
    put_text(bytes, "key");
    put<uint32_t>(bytes, 8);
    put(bytes, count);
    expect_refused(bytes, ErrorCode::kCorrupt, {"key", fmt::format("needs {} bytes", count)});
  }
}

TEST(GgufTest, RefusesBadMetadata) {
  auto value = [](std::string_view key, uint32_t type, std::string_view payload) {
    std::string out;
    put_text(out, key);
    put(out, type);
    return out.append(payload);
  };
  const std::string one("\1\0\0\0", 4);
  expect_refused(opening(0, 1) + value("", 4, one), ErrorCode::kCorrupt, {"metadata key"});
  expect_refused(opening(0, 1) + value(std::string(65536, 'k'), 4, one), ErrorCode::kCorrupt,
                 {"1 to 65535 bytes, found 65536"});
  expect_refused(opening(0, 1) + value("k", 13, one), ErrorCode::kCorrupt,
                 {"'k'", "value type", "found 13"});
  expect_refused(opening(0, 2) + value("k", 4, one) + value("k", 4, one), ErrorCode::kCorrupt,
                 {"'k'", "appears twice"});
  std::string nested;
  put<uint32_t>(nested, 9);
  put<uint64_t>(nested, 1);
  expect_refused(opening(0, 1) + value("k", 9, nested + nested), ErrorCode::kUnsupported,
                 {"'k'", "arrays of arrays"});
  for (uint32_t alignment : {0u, 3u, 48u, 0x80000000u}) {
    std::string number;
    put(number, alignment);
    expect_refused(opening(0, 1) + value("general.alignment", 4, number), ErrorCode::kCorrupt,
                   {"general.alignment", "power of two", fmt::format("found {}", alignment)});
  }
  expect_refused(opening(0, 1) + value("general.alignment", 6, one), ErrorCode::kCorrupt,
                 {"general.alignment", "found float32"});
}

TEST(GgufTest, RefusesBadTensors) {
  const auto corrupt = ErrorCode::kCorrupt;
  EXPECT_EQ(GgufFile::parse(as_bytes(one_tensor({4}, 0, 0, 16)), "x")->names().size(), 1u);
  expect_refused(one_tensor({4}, 0, 0, 15), corrupt, {"'t'", "needs 16 bytes", "has 15"});
  expect_refused(one_tensor({4}, 0, 32, 16), corrupt, {"'t'", "data offset 32"});
  expect_refused(one_tensor({4}, 0, uint64_t{1} << 63, 16), corrupt, {"'t'"});
  expect_refused(one_tensor({4}, 0, 4, 32), corrupt, {"'t'", "multiple of 32, found 4"});
  expect_refused(one_tensor({1, 1, 1, 1, 1}, 0, 0, 16), corrupt, {"at most 4 dimensions, found 5"});
  expect_refused(one_tensor({uint64_t{1} << 63}, 0, 0, 16), corrupt, {"'t'", "dimension 0"});
  expect_refused(one_tensor({UINT64_MAX}, 0, 0, 16), corrupt, {"'t'", "dimension 0"});
  expect_refused(one_tensor({uint64_t{1} << 32, uint64_t{1} << 31}, 0, 0, 16), corrupt,
                 {"'t'", "2^58"});
  expect_refused(one_tensor({0, uint64_t{1} << 62}, 0, 0, 16), corrupt, {"'t'"});
  expect_refused(one_tensor({31}, 3, 0, 64), corrupt,
                 {"'t'", "q4_1", "multiple of 32", "found 31"});
  expect_refused(one_tensor({}, 3, 0, 64), corrupt, {"'t'", "q4_1"});
  expect_refused(one_tensor({32}, 16, 0, 64), ErrorCode::kUnsupported, {"'t'", "IQ2_XXS"});
  expect_refused(one_tensor({32}, 39, 0, 64), ErrorCode::kUnsupported, {"'t'", "MXFP4"});
  expect_refused(one_tensor({32}, 12345, 0, 64), ErrorCode::kUnsupported, {"'t'", "number 12345"});
}

TEST(GgufTest, NamesAllTensorsOfUnknownTypes) {
  std::string out = opening(3, 0);
  for (auto [name, type] : {std::pair<std::string_view, uint32_t>("a", 16), {"b", 0}, {"c", 39}}) {
    put_text(out, name);
    put<uint32_t>(out, 1);
    put<uint64_t>(out, 32);
    put(out, type);
    put<uint64_t>(out, 0);
  }
  out.resize((out.size() + 31) / 32 * 32 + 256);
  expect_refused(out, ErrorCode::kUnsupported,
                 {"tensor 'a': expected a known tensor type, found IQ2_XXS (number 16); "
                  "tensor 'c': expected",
                  "found MXFP4"});
}

TEST(GgufTest, RefusesOverlapsAndRepeatedNames) {
  auto two = [](std::string_view second, uint64_t offset) {
    std::string out = opening(2, 0);
    for (auto [name, at] : {std::pair<std::string_view, uint64_t>("t", 0), {second, offset}}) {
      put_text(out, name);
      put<uint32_t>(out, 1);
      put<uint64_t>(out, 16);
      put<uint32_t>(out, 0);
      put(out, at);
    }
    out.resize((out.size() + 31) / 32 * 32 + 256);
    return out;
  };
  EXPECT_EQ(GgufFile::parse(as_bytes(two("u", 64)), "x")->names().size(), 2u);
  expect_refused(two("u", 32), ErrorCode::kCorrupt, {"'t' ends at data offset 64", "'u'", "32"});
  expect_refused(two("t", 64), ErrorCode::kCorrupt, {"'t' appears twice"});
}

TEST(GgufTest, EveryTruncationIsAnError) {
  const std::string bytes = sample();
  // The padding after the last tensor may be cut.
  const auto file = GgufFile::parse(as_bytes(bytes), "x");
  const auto last = file->require("scalar").bytes;
  const size_t needed = static_cast<size_t>(
      std::search(bytes.end() - 64, bytes.end(), reinterpret_cast<const char*>(last.data()),
                  reinterpret_cast<const char*>(last.data() + 2)) -
      bytes.begin() + 2);
  for (size_t cut = 0; cut < needed; ++cut) {
    SCOPED_TRACE(cut);
    expect_refused(bytes.substr(0, cut), ErrorCode::kCorrupt, {});
  }
}

TEST(GgufTest, BitFlipsEndCleanly) {
  std::string bytes = sample();
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    auto parse = [&] {
      auto file = GgufFile::parse(as_bytes(bytes), "x.gguf");
      for (const char* key : {"texts", "ints", "floats"}) {
        if (file->has(key)) file->require_strings(key);
      }
    };
    EXPECT_TRUE(ends_cleanly(parse, "x.gguf"));
    bytes[bit / 8] ^= static_cast<char>(1 << (bit % 8));
  }
}

TEST(GgufTest, FileAlignmentIsHonoured) {
  std::string bytes = opening(1, 1);
  put_text(bytes, "general.alignment");
  put<uint32_t>(bytes, 4);
  put<uint32_t>(bytes, 128);
  put_text(bytes, "t");
  put<uint32_t>(bytes, 1);
  put<uint64_t>(bytes, 2);
  put<uint32_t>(bytes, 24);  // int8
  put<uint64_t>(bytes, 0);
  bytes.resize((bytes.size() + 127) / 128 * 128);
  bytes += "\5\6";
  auto file = GgufFile::parse(as_bytes(bytes), "x");
  EXPECT_EQ(file->alignment(), 128u);
  EXPECT_EQ(file->require("t").bytes[1], std::byte{6});
}

TEST(GgufTest, LargeVocabularyOpensFast) {
  ScratchDirectory dir;
  GgufWriter writer;
  std::vector<std::string> tokens(150'000);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = fmt::format("token{}", i);
  writer.add_strings("tokenizer.ggml.tokens", tokens);
  const uint64_t size = writer.write(dir / "v.gguf");
  EXPECT_EQ(size, std::filesystem::file_size(dir / "v.gguf"));
  auto file = GgufFile::open(dir / "v.gguf");
  const auto read = file->require_strings("tokenizer.ggml.tokens");
  ASSERT_EQ(read.size(), tokens.size());
  EXPECT_EQ(read[149'999], "token149999");
}

}  // namespace
}  // namespace ingot
