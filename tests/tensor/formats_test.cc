// Every block format against fixtures made with the reference implementation
// (tools/make_format_fixtures.py), and its encoder against its own error bound.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
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

constexpr uint32_t kNotInGguf = 0xffffffff;

class FormatTest : public testing::TestWithParam<const BlockFormat*> {};
// Of formats with an encoder.
class EncoderTest : public testing::TestWithParam<const BlockFormat*> {};

std::vector<const BlockFormat*> with_encoder() {
  std::vector<const BlockFormat*> out;
  for (const BlockFormat* format : tensor_format_list()) {
    if (format->encode) {
      out.push_back(format);
    } else {
      std::printf("%s: no encoder to test\n", std::string(format->name).c_str());
    }
  }
  return out;
}

TEST_P(FormatTest, MatchesTheReferenceBitForBit) {
  const BlockFormat& format = *GetParam();
  const std::string path = fmt::format("{}/formats/{}.bin", INGOT_TEST_DATA, format.name);
  const std::string file = read_file(path);
  ByteReader reader(std::as_bytes(std::span(file.data(), file.size())), "test", path);
  const auto number = reader.read<uint32_t>("type in GGUF");
  EXPECT_EQ(format.gguf_type.value_or(kNotInGguf), number);
  EXPECT_EQ(format.block_elements, reader.read<int32_t>("elements of a block"));
  ASSERT_EQ(format.block_bytes, reader.read<int32_t>("bytes of a block"));
  EXPECT_EQ(find_block_format(format.name), &format);
  if (format.gguf_type) {
    EXPECT_EQ(find_gguf_format(number), &format);
  }
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
    ASSERT_NE(format.encode, nullptr) << "the reference has an encoder";
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

TEST_P(EncoderTest, EncodingStaysWithinTheErrorBound) {
  const BlockFormat& format = *GetParam();
  const auto n = static_cast<size_t>(format.block_elements);
  const double bound = format.error_bound;
  ASSERT_GT(bound, 0) << "expected BlockFormat::error_bound beside encode";
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

TEST_P(EncoderTest, EncodingIsDefinedForEveryFloat) {
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
  std::vector<float> whole(static_cast<size_t>(n)), part(whole.size());
  std::vector<std::byte> blocks(static_cast<size_t>(2 * format.block_bytes));
  random_blocks(format, 5, 2, blocks.data());
  format.decode(blocks.data(), 2, whole.data());
  const TensorView view{ElementType(format), {1, n}, blocks.data()};
  const int64_t count = format.block_elements / 2 + 3;
  load_row(view, 0, format.block_elements, count, part.data());
  for (int64_t i = 0; i < count; ++i) {
    EXPECT_EQ(part[size_t(i)], whole[size_t(i + format.block_elements)]);
  }
}

TEST_P(FormatTest, RandomBlocksAreOfUsualSize) {
  const BlockFormat& format = *GetParam();
  std::vector<std::byte> blocks(static_cast<size_t>(200 * format.block_bytes)),
      again(blocks.size());
  std::vector<float> values(static_cast<size_t>(200 * format.block_elements));
  random_blocks(format, 1, 200, blocks.data());
  random_blocks(format, 1, 200, again.data());
  EXPECT_EQ(blocks, again);
  format.decode(blocks.data(), 200, values.data());
  for (const float value : values) ASSERT_LT(std::fabs(value), 0x1p16f);
  EXPECT_GT(*std::max_element(values.begin(), values.end()), 0);
}

std::string name_of(const testing::TestParamInfo<const BlockFormat*>& info) {
  return std::string(info.param->name);
}
INSTANTIATE_TEST_SUITE_P(Formats, FormatTest, testing::ValuesIn(tensor_format_list()), name_of);
INSTANTIATE_TEST_SUITE_P(Formats, EncoderTest, testing::ValuesIn(with_encoder()), name_of);

}  // namespace
}  // namespace ingot
