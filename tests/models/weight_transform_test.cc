// How files keep weights, undone: each transform alone, and through a model's table.
#include "models/contract/weight_transform.h"

#include <cstring>
#include <numeric>

#include "models/contract/model_def.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

using Values = std::vector<float>;

std::vector<float> values_of(const WeightInfo& info) {
  std::vector<float> out(static_cast<size_t>(info.elements()));
  std::memcpy(out.data(), info.bytes.data(), info.bytes.size());
  return out;
}

TEST(WeightTransformTest, EachUndoesWhatItSays) {
  std::vector<float> numbers(12);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i);
  const WeightInfo stored{"w", DType::kFloat32, {6, 2}, std::as_bytes(std::span(numbers))};
  WeightTable keep("test");

  EXPECT_FALSE(unpermute_heads(0).apply);
  // GGUF keeps the rows of this one head as 0, 3, 1, 4, 2, 5.
  EXPECT_EQ(values_of(unpermute_heads(1).apply(stored, keep)),
            (Values{0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11}));
  const auto less = map_elements([](float x) { return x - 1; }).apply(stored, keep);
  EXPECT_EQ(values_of(less), (Values{-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  const WeightTransform flip = transpose_matrix(2, 6);
  EXPECT_EQ(flip.shape, (Shape{6, 2}));
  const WeightInfo flipped = flip.apply(stored, keep);
  EXPECT_EQ(flipped.shape, (Shape{2, 6}));
  EXPECT_EQ(values_of(flipped), (Values{0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11}));
  const WeightTransform middle = take_rows(2, 3, {6, 2});
  EXPECT_EQ(middle.shape, (Shape{6, 2}));
  const WeightInfo rows = middle.apply(stored, keep);
  EXPECT_EQ(rows.shape, (Shape{3, 2}));
  EXPECT_EQ(values_of(rows), (Values{4, 5, 6, 7, 8, 9}));
  WeightInfo stack = stored;
  stack.shape = {2, 3, 2};
  const WeightInfo one = take_matrix_rows(1, 1, 2, {2, 3, 2}).apply(stack, keep);
  EXPECT_EQ(one.shape, (Shape{2, 2}));
  EXPECT_EQ(values_of(one), (Values{8, 9, 10, 11}));
  EXPECT_EQ(one.bytes.data(), stack.bytes.data() + 32) << "no copy";
  WeightInfo heads = stored;
  heads.shape = {4, 3};
  const WeightInfo head = take_vector(2, {4, 3}).apply(heads, keep);
  EXPECT_EQ(head.shape, (Shape{3}));
  EXPECT_EQ(values_of(head), (Values{6, 7, 8}));

  const BlockFormat& q4 = *find_block_format("q4_0");
  const std::vector<std::byte> blocks(static_cast<size_t>(ElementType(q4).bytes(64)));
  const WeightInfo vector{"b", ElementType(q4), {64}, blocks};
  expect_error([&] { unpermute_heads(1).apply(vector, keep); }, ErrorCode::kUnsupported,
               {"test", "'b'", "floats", "q4_0"});
  const WeightInfo matrix{"m", ElementType(q4), {2, 32}, blocks};
  expect_error([&] { transpose_matrix(32, 2).apply(matrix, keep); }, ErrorCode::kUnsupported,
               {"'m'", "q4_0"});
}

// Element r * 10 + c of a matrix; of a vector, its index.
std::vector<float> numbered(int64_t rows, int64_t columns) {
  std::vector<float> out;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) out.push_back(static_cast<float>(10 * r + c));
  }
  return out;
}

// In the file's type.
TEST(WeightTransformTest, RowsOfLengthOne) {
  const std::vector<float> numbers = {3, -4, 0, 0, 0.5f, 0};
  const WeightInfo stored{"w", DType::kFloat32, {3, 2}, std::as_bytes(std::span(numbers))};
  WeightTable keep("test");
  EXPECT_EQ(values_of(unit_rows().apply(stored, keep)), (Values{0.6f, -0.8f, 0, 0, 1, 0}));
  const std::vector<uint16_t> halves = {0x4040, 0x4080};  // 3 and 4
  const WeightInfo narrow{"w", DType::kBFloat16, {1, 2}, std::as_bytes(std::span(halves))};
  const WeightInfo unit = unit_rows().apply(narrow, keep);
  EXPECT_TRUE(unit.type == ElementType(DType::kBFloat16));
  const auto* bits = reinterpret_cast<const uint16_t*>(unit.bytes.data());
  EXPECT_EQ(bits[0], 0x3f1a) << "0.6 rounded to eight bits";
  EXPECT_EQ(bits[1], 0x3f4d);
  const BlockFormat& format = *find_block_format("q4_0");
  const WeightInfo blocks{"w", ElementType(format), {1, 32}, {}};
  expect_error([&] { unit_rows().apply(blocks, keep); }, ErrorCode::kUnsupported,
               {"'w'", "floats to normalise", "q4_0"});
}

TEST(WeightTransformTest, PartsOfFusedTensors) {
  const Values numbers = numbered(4, 6);
  const WeightInfo conv{"c", DType::kFloat32, {4, 6}, std::as_bytes(std::span(numbers))};
  WeightTable keep("test");
  const WeightTransform second = transpose_columns(2, 2, {4, 6});
  const WeightInfo columns = second.apply(conv, keep);
  EXPECT_EQ(columns.shape, (Shape{2, 4}));
  EXPECT_EQ(values_of(columns), (Values{2, 12, 22, 32, 3, 13, 23, 33}));

  const Values rows = numbered(12, 1);
  const WeightInfo vector{"v", DType::kFloat32, {12}, std::as_bytes(std::span(rows))};
  // Two heads of query, key and value of two rows each.
  const WeightTransform key = take_rows_of_groups(2, 2, 6, {12});
  EXPECT_EQ(key.shape, (Shape{12}));
  EXPECT_EQ(values_of(key.apply(vector, keep)), (Values{20, 30, 80, 90}));
  const WeightInfo view = take_rows_of_groups(4, 2, 12, {12}).apply(vector, keep);
  EXPECT_EQ(values_of(view), (Values{40, 50}));
  EXPECT_EQ(view.bytes.data(), vector.bytes.data() + 16) << "one group: no copy";

  const Values both = numbered(6, 2);
  const WeightInfo stack{"s", DType::kFloat32, {3, 2, 2}, std::as_bytes(std::span(both))};
  const WeightTransform expert =
      then(then(take_rows(1, 1, {3, 2, 2}), {[](const WeightInfo& one, WeightTable&) {
                                               WeightInfo matrix = one;
                                               matrix.shape = {2, 2};
                                               return matrix;
                                             },
                                             {1, 2, 2}}),
           transpose_matrix(2, 2));
  EXPECT_EQ(expert.shape, (Shape{3, 2, 2}));
  EXPECT_EQ(values_of(expert.apply(stack, keep)), (Values{20, 30, 21, 31}));
}

TEST(WeightTransformTest, SixteenBitMatricesLargerThanATile) {
  std::vector<uint16_t> in(70 * 45);
  std::iota(in.begin(), in.end(), uint16_t{0});
  const WeightInfo stored{"t", DType::kBFloat16, {70, 45}, std::as_bytes(std::span(in))};
  WeightTable keep("test");
  const WeightInfo out = transpose_columns(3, 40, {70, 45}).apply(stored, keep);
  ASSERT_EQ(out.shape, (Shape{40, 70}));
  const auto* found = reinterpret_cast<const uint16_t*>(out.bytes.data());
  for (int r = 0; r < 70; ++r) {
    for (int c = 0; c < 40; ++c) ASSERT_EQ(found[c * 70 + r], r * 45 + c + 3);
  }
}

TEST(WeightTransformTest, BlocksMoveByWholeRowsAlone) {
  const BlockFormat& q4 = *find_block_format("q4_0");
  const ElementType type(q4);
  std::vector<std::byte> blocks(static_cast<size_t>(type.bytes(4 * 64)));
  for (size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<std::byte>(i);
  const WeightInfo matrix{"m", type, {4, 64}, blocks};
  const WeightInfo vector{"b", type, {64}, blocks};
  WeightTable keep("test");
  const auto row = static_cast<size_t>(type.bytes(64));
  const WeightInfo odd = take_rows_of_groups(1, 1, 2, {4, 64}).apply(matrix, keep);
  EXPECT_EQ(odd.shape, (Shape{2, 64}));
  EXPECT_TRUE(std::equal(odd.bytes.begin(), odd.bytes.begin() + static_cast<ptrdiff_t>(row),
                         blocks.begin() + static_cast<ptrdiff_t>(row)));
  EXPECT_TRUE(std::equal(odd.bytes.begin() + static_cast<ptrdiff_t>(row), odd.bytes.end(),
                         blocks.begin() + static_cast<ptrdiff_t>(3 * row)));
  for (const WeightTransform& t : {take_rows(0, 32, {64}), take_rows_of_groups(0, 16, 32, {64})}) {
    expect_error([&] { t.apply(vector, keep); }, ErrorCode::kUnsupported, {"test", "'b'", "q4_0"});
  }
  expect_error(
      [&] {
        transpose_columns(0, 32, {4, 64}).apply(matrix, keep);
      },
      ErrorCode::kUnsupported, {"test", "'m'", "q4_0"});
}

// One stored tensor, three weights: from both kinds of file.
TEST(WeightTransformTest, AModelsTableCutsFusedTensors) {
  ModelDef model;
  model.weights = [](const Json&) {
    std::vector<WeightName> names;
    for (int64_t i = 0; i < 3; ++i) {
      names.push_back({.hf = fmt::format("attn.{}", "qkv"[i]),
                       .gguf = "attn_qkv",
                       .checkpoint = "qkv",
                       .shape = {2, 3},
                       .from_gguf = take_rows(2 * i, 2, {6, 3}),
                       .from_hf = transpose_columns(2 * i, 2, {3, 6}).of("attn.c_attn")});
    }
    return names;
  };
  const Values conv = numbered(3, 6);  // [in, out]
  auto hf_table = std::make_shared<WeightTable>("model.safetensors");
  hf_table->add({"attn.c_attn", DType::kFloat32, {3, 6}, std::as_bytes(std::span(conv))});
  ModelSource hf;
  hf.weights = hf_table;
  const auto from_hf = canonical_weights(hf, model, {});
  EXPECT_EQ(from_hf->names(), (std::vector<std::string>{"attn.q", "attn.k", "attn.v"}));
  EXPECT_EQ(values_of(from_hf->require("attn.k")), (Values{2, 12, 22, 3, 13, 23}));

  Values rows(18);
  for (size_t i = 0; i < 18; ++i) rows[i] = conv[i % 3 * 6 + i / 3];
  auto gguf_table = std::make_shared<WeightTable>("model.gguf");
  gguf_table->add({"attn_qkv", DType::kFloat32, {6, 3}, std::as_bytes(std::span(rows))});
  ModelSource gguf;
  gguf.kind = ModelSourceKind::kGguf;
  gguf.weights = gguf_table;
  const auto from_gguf = canonical_weights(gguf, model, {});
  for (const std::string& name : from_hf->names()) {
    EXPECT_EQ(values_of(from_gguf->require(name)), values_of(from_hf->require(name))) << name;
  }

  auto other = std::make_shared<WeightTable>("other.safetensors");
  other->add({"attn.c_attn", DType::kFloat32, {6, 3}, std::as_bytes(std::span(conv))});
  hf.weights = other;
  expect_error([&] { canonical_weights(hf, model, {}); }, ErrorCode::kCorrupt,
               {"other.safetensors", "attn.c_attn", "[3, 6]", "[6, 3]"});
}

}  // namespace
}  // namespace ingot
