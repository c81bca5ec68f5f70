// Every block format against fixtures made with the reference implementation
// (tools/make_format_fixtures.py), and its encoder against its own error bound.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/byte_reader.h"
#include "base/file.h"
#include "base/random.h"
#include "tensor/block_format.h"
#include "tensor/element_type.h"
#include "tensor/tensor_view.h"

namespace ingot {
namespace {

std::vector<float> read_floats(ByteReader& reader, size_t count) {
  std::vector<float> out(count);
  const auto bytes = reader.bytes(count * 4, "floats");
  if (count > 0) std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

class FormatTest : public testing::TestWithParam<const BlockFormat*> {};

TEST_P(FormatTest, MatchesTheReferenceBitForBit) {
  const BlockFormat& format = *GetParam();
  const std::string path = fmt::format("{}/formats/{}.bin", INGOT_TEST_DATA, format.name);
  const std::string file = read_file(path);
  ByteReader reader(std::as_bytes(std::span(file.data(), file.size())), "test", path);
  const auto decodes = reader.read<uint32_t>("decode blocks");
  const auto encodes = reader.read<uint32_t>("encode blocks");
  ASSERT_GT(decodes, 0u);
  const auto encoded = reader.bytes(decodes * size_t(format.block_bytes), "blocks");
  const auto expected = read_floats(reader, decodes * size_t(format.block_elements));
  std::vector<float> decoded(expected.size(), std::nanf(""));
  format.decode(encoded.data(), decodes, decoded.data());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(decoded[i]), std::bit_cast<uint32_t>(expected[i]))
        << "element " << i << ": " << decoded[i] << " instead of " << expected[i];
  }
  if (encodes > 0) {
    const auto input = read_floats(reader, encodes * size_t(format.block_elements));
    const auto blocks = reader.bytes(encodes * size_t(format.block_bytes), "encoded");
    std::vector<std::byte> out(blocks.size());
    format.encode(input.data(), encodes, out.data());
    for (size_t i = 0; i < out.size(); ++i) {
      ASSERT_EQ(out[i], blocks[i]) << "block " << i / size_t(format.block_bytes) << " byte "
                                   << i % size_t(format.block_bytes);
    }
  }
  EXPECT_EQ(reader.remaining(), 0u);
}

// Largest error of one element, as a share of the largest magnitude in its block: half a step of
// the widest group, where rounding a group's scale up costs one unit in scale_max; the legacy
// formats with a signed peak clip the other end by up to one step.
double error_bound(std::string_view name) {
  if (name == "q4_0") return 1.0 / 8;
  if (name == "q5_0") return 1.0 / 16;
  if (name == "q4_1") return 0.5 * 2 / 15;
  if (name == "q5_1") return 0.5 * 2 / 31;
  if (name == "q8_0") return 0.5 / 127;
  if (name == "q2_k") return 0.5 * (2 + 1.0 / 15) / 3 * (1 + 1.0 / 15);
  if (name == "q3_k") return 0.5 / 3;
  if (name == "q4_k") return 0.5 * (2 + 1.0 / 63) / 15 * (1 + 1.0 / 63);
  if (name == "q5_k") return 0.5 * (2 + 1.0 / 63) / 31 * (1 + 1.0 / 63);
  if (name == "q6_k") return 0.5 / 31;
  ADD_FAILURE() << "no bound for " << name;
  return 0;
}

TEST_P(FormatTest, EncodingStaysWithinTheErrorBound) {
  const BlockFormat& format = *GetParam();
  ASSERT_NE(format.encode, nullptr);
  const auto n = static_cast<size_t>(format.block_elements);
  const double bound = error_bound(format.name);
  double worst = 0;
  for (uint64_t trial = 0; trial < 300; ++trial) {
    std::vector<float> input(n), output(n);
    const double scale = std::exp(8.0 * random_unit(1, trial) - 5.0);
    const double shift = trial % 3 == 0 ? 0.0 : 2.0 * random_unit(2, trial) - 1.0;
    double peak = 0;
    for (size_t i = 0; i < n; ++i) {
      const double group = trial % 2 == 0 ? 1.0 : random_unit(3, trial * 64 + i / 16);
      const double x = (random_normal(4, trial * n + i) + 3 * shift) * scale * group;
      input[i] = static_cast<float>(x);
      peak = std::max(peak, std::fabs(x));
    }
    std::vector<std::byte> block(static_cast<size_t>(format.block_bytes));
    format.encode(input.data(), 1, block.data());
    format.decode(block.data(), 1, output.data());
    for (size_t i = 0; i < n; ++i) {
      // Two float16 fields may each be off by 2^-11, times the peak.
      const double allowed = (bound + 0x1p-9) * peak;
      const double error = std::fabs(double(output[i]) - input[i]);
      worst = std::max(worst, error / peak);
      ASSERT_LE(error, allowed) << format.name << " element " << i << " of trial " << trial;
    }
  }
  // A bound that is never approached proves nothing.
  EXPECT_GT(worst, bound / 4) << format.name;
}

TEST_P(FormatTest, EncodingIsDefinedForEveryFloat) {
  const BlockFormat& format = *GetParam();
  const auto n = static_cast<size_t>(format.block_elements);
  const float specials[] = {0.0f,
                            -0.0f,
                            std::numeric_limits<float>::denorm_min(),
                            1e-39f,
                            -1e-30f,
                            3e38f,
                            -3e38f,
                            std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(),
                            std::nanf("")};
  std::vector<std::byte> block(static_cast<size_t>(format.block_bytes));
  std::vector<float> output(n);
  for (float special : specials) {
    for (float rest : {0.0f, 1.0f, -1.0f, 1e-38f}) {
      std::vector<float> input(n, rest);
      input[n / 3] = special;
      format.encode(input.data(), 1, block.data());
      format.decode(block.data(), 1, output.data());
    }
    std::vector<float> input(n, special);
    format.encode(input.data(), 1, block.data());
    format.decode(block.data(), 1, output.data());
    if (special == 0) {
      EXPECT_EQ(output, std::vector<float>(n, 0.0f)) << format.name;
    }
  }
}

TEST_P(FormatTest, ReadsThroughAView) {
  const BlockFormat& format = *GetParam();
  const int64_t n = 2 * format.block_elements;
  std::vector<float> input(static_cast<size_t>(n)), whole(input.size()), part(input.size());
  for (int64_t i = 0; i < n; ++i) input[size_t(i)] = static_cast<float>(std::sin(0.1 * double(i)));
  std::vector<std::byte> blocks(static_cast<size_t>(2 * format.block_bytes));
  format.encode(input.data(), 2, blocks.data());
  format.decode(blocks.data(), 2, whole.data());
  const TensorView view{ElementType(format), {1, n}, blocks.data()};
  const int64_t count = format.block_elements / 2 + 3;
  load_row(view, 0, format.block_elements, count, part.data());
  for (int64_t i = 0; i < count; ++i) {
    EXPECT_EQ(part[size_t(i)], whole[size_t(i + format.block_elements)]);
  }
}

// Sizes and numbers as the GGUF specification lists them.
TEST(FormatListTest, NamesAndNumbers) {
  struct Row {
    const char* name;
    uint32_t gguf_type;
    int elements, bytes;
  };
  for (const Row& row : {Row{"q4_0", 2, 32, 18}, Row{"q4_1", 3, 32, 20}, Row{"q5_0", 6, 32, 22},
                         Row{"q5_1", 7, 32, 24}, Row{"q8_0", 8, 32, 34}, Row{"q2_k", 10, 256, 84},
                         Row{"q3_k", 11, 256, 110}, Row{"q4_k", 12, 256, 144},
                         Row{"q5_k", 13, 256, 176}, Row{"q6_k", 14, 256, 210}}) {
    const BlockFormat* format = find_block_format(row.name);
    ASSERT_NE(format, nullptr) << row.name;
    EXPECT_EQ(format->gguf_type, row.gguf_type);
    EXPECT_EQ(format->block_elements, row.elements);
    EXPECT_EQ(format->block_bytes, row.bytes);
    EXPECT_EQ(find_gguf_format(row.gguf_type), format);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, FormatTest, testing::ValuesIn(tensor_format_list()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace ingot
