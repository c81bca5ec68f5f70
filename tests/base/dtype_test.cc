// The conversions are compared with references that go the slow way: by the definition of the
// format in double arithmetic, and by nearest-neighbour search over all values of the format.
#include "base/dtype.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/random.h"

namespace ingot {
namespace {

// Value of a small float by definition: sign, exponent and mantissa fields.
double decode(uint16_t bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const double sign = bits & 0x8000 ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1) return mantissa ? std::nan("") : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp((1 << mantissa_bits) + mantissa, exponent - bias - mantissa_bits);
}

bool same(double a, double b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

// Round to nearest, ties to even, by searching the sorted positive values of the format.
struct NearestSearch {
  NearestSearch(int exponent_bits, int mantissa_bits) {
    const int infinity = ((1 << exponent_bits) - 1) << mantissa_bits;
    for (int bits = 0; bits < infinity; ++bits) {
      values.push_back(decode(static_cast<uint16_t>(bits), exponent_bits, mantissa_bits));
    }
    // What the next value would be if the exponent range went on: the overflow threshold.
    values.push_back(2 * values[static_cast<size_t>(infinity - (1 << mantissa_bits))]);
  }
  uint16_t encode(float value) const {
    const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
    const double magnitude = std::fabs(static_cast<double>(value));
    const auto above = std::lower_bound(values.begin(), values.end(), magnitude);
    if (above == values.end()) return sign | static_cast<uint16_t>(values.size() - 1);
    auto index = static_cast<uint16_t>(above - values.begin());
    if (*above != magnitude) {
      const double up = *above - magnitude;
      const double down = magnitude - values[index - 1u];
      if (down < up || (down == up && (index - 1) % 2 == 0)) --index;
    }
    return sign | index;
  }
  std::vector<double> values;
};

TEST(DTypeNumerics, EveryFloat16DecodesByDefinition) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    ASSERT_TRUE(same(f16_to_f32(half), decode(half, 5, 10))) << bits;
  }
}

TEST(DTypeNumerics, EveryBFloat16DecodesByDefinition) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto value = static_cast<uint16_t>(bits);
    ASSERT_TRUE(same(bf16_to_f32(value), decode(value, 8, 7))) << bits;
  }
}

TEST(DTypeNumerics, EveryValueSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto value = static_cast<uint16_t>(bits);
    if (std::isnan(f16_to_f32(value))) {
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(f16_to_f32(value)))));
    } else {
      ASSERT_EQ(f32_to_f16(f16_to_f32(value)), value);
    }
    if (std::isnan(bf16_to_f32(value))) {
      EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(bf16_to_f32(value)))));
    } else {
      ASSERT_EQ(f32_to_bf16(bf16_to_f32(value)), value);
    }
  }
}

template <typename Encode>
void expect_nearest(const NearestSearch& reference, Encode encode, int mantissa_bits) {
  // Around every value of the format: just below, at and just above the midpoint to the next one.
  for (size_t i = 0; i + 1 < reference.values.size(); ++i) {
    const double middle = 0.5 * (reference.values[i] + reference.values[i + 1]);
    const auto at = static_cast<float>(middle);
    for (float value : {at, std::nextafter(at, 0.0f), std::nextafter(at, INFINITY)}) {
      ASSERT_EQ(encode(value), reference.encode(value)) << value;
      ASSERT_EQ(encode(-value), reference.encode(-value)) << value;
    }
  }
  // And a million float32 bit patterns from a counter-based stream.
  for (uint64_t i = 0; i < 1'000'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(random_u64(11, i)));
    if (std::isnan(value)) continue;
    ASSERT_EQ(encode(value), reference.encode(value)) << value << " " << mantissa_bits;
  }
}

TEST(DTypeNumerics, Float16RoundsToNearestEven) {
  expect_nearest(NearestSearch(5, 10), f32_to_f16, 10);
}

TEST(DTypeNumerics, BFloat16RoundsToNearestEven) {
  expect_nearest(NearestSearch(8, 7), f32_to_bf16, 7);
}

// A double next to the middle of two 16-bit floats: through float32 it would become the middle.
TEST(DTypeNumerics, DoublesRoundOnce) {
  const auto stored = [](DType dtype, double value) {
    std::byte cell[8];
    store_scalar(dtype, cell, value);
    return load_scalar(dtype, cell);
  };
  for (double sign : {1.0, -1.0}) {
    EXPECT_EQ(stored(DType::kFloat16, sign * (1 + 0x1p-11 + 0x1p-40)), sign * (1 + 0x1p-10));
    EXPECT_EQ(stored(DType::kFloat16, sign * (1 + 0x1p-11)), sign);
    EXPECT_EQ(stored(DType::kFloat16, sign * (1 + 3 * 0x1p-11 - 0x1p-40)), sign * (1 + 0x1p-10));
    EXPECT_EQ(stored(DType::kBFloat16, sign * (1 + 0x1p-8 + 0x1p-40)), sign * (1 + 0x1p-7));
    EXPECT_EQ(stored(DType::kFloat16, sign * 1e300), sign * INFINITY);
    EXPECT_EQ(stored(DType::kFloat16, sign * 1e-300), 0);
  }
}

TEST(DTypeNumerics, IntegersAreLoadedAndStoredOverTheirRange) {
  std::byte cell[8];
  store_int(DType::kUInt64, cell, INT64_MIN);
  EXPECT_EQ(load_scalar(DType::kUInt64, cell), 0x1p63);
  store_scalar(DType::kInt64, cell, 1e300);
  EXPECT_EQ(load_int(DType::kInt64, cell), INT64_MAX);
  store_scalar(DType::kInt64, cell, -INFINITY);
  EXPECT_EQ(load_int(DType::kInt64, cell), INT64_MIN);
  store_scalar(DType::kInt64, cell, NAN);
  EXPECT_EQ(load_int(DType::kInt64, cell), 0);
}

TEST(DTypeNumerics, NanStaysNan) {
  for (uint32_t bits : {0x7f800001u, 0x7fc00000u, 0xff800001u, 0x7fffffffu}) {
    const auto nan = std::bit_cast<float>(bits);
    EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(nan))));
    EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(nan))));
  }
}

constexpr DType kScalars[] = {DType::kFloat32, DType::kFloat16, DType::kBFloat16, DType::kFloat64,
                              DType::kInt8,    DType::kUInt8,   DType::kInt16,    DType::kUInt16,
                              DType::kInt32,   DType::kUInt32,  DType::kInt64,    DType::kUInt64,
                              DType::kBool};

TEST(DType, NamesParseBack) {
  for (DType dtype : kScalars) EXPECT_EQ(parse_dtype(dtype_name(dtype)), dtype);
  EXPECT_EQ(parse_dtype("bf16"), DType::kBFloat16);
  EXPECT_EQ(parse_dtype("fp16"), DType::kFloat16);
  EXPECT_EQ(parse_dtype("f32"), DType::kFloat32);
  EXPECT_EQ(parse_dtype("block"), std::nullopt);  // not something a user can ask for
  EXPECT_EQ(parse_dtype("float3"), std::nullopt);
  EXPECT_EQ(parse_dtype(""), std::nullopt);
}

TEST(DType, Classes) {
  for (DType dtype : kScalars) {
    EXPECT_GT(dtype_size(dtype), 0u);
    EXPECT_EQ(is_float(dtype) + is_integer(dtype) + (dtype == DType::kBool), 1);
  }
  EXPECT_EQ(dtype_size(DType::kBlock), 0u);
  EXPECT_FALSE(is_float(DType::kBlock) || is_integer(DType::kBlock));
}

TEST(DType, ScalarsStoreAndLoad) {
  for (DType dtype : kScalars) {
    alignas(8) std::byte cell[16];
    std::memset(cell, 0xab, sizeof cell);
    store_scalar(dtype, cell, 1.0);
    EXPECT_EQ(load_scalar(dtype, cell), 1.0) << dtype_name(dtype);
    EXPECT_EQ(cell[dtype_size(dtype)], std::byte{0xab}) << "wrote past " << dtype_name(dtype);
    // Unaligned cells are legal: files are packed.
    store_scalar(dtype, cell + 1, 0.0);
    EXPECT_EQ(load_scalar(dtype, cell + 1), 0.0);
  }
  std::byte cell[8];
  store_int(DType::kInt64, cell, INT64_MIN);
  EXPECT_EQ(load_int(DType::kInt64, cell), INT64_MIN);
  store_int(DType::kUInt8, cell, 255);
  EXPECT_EQ(load_int(DType::kUInt8, cell), 255);
  store_int(DType::kInt8, cell, -128);
  EXPECT_EQ(load_scalar(DType::kInt8, cell), -128.0);
  store_scalar(DType::kBool, cell, 0.25);
  EXPECT_EQ(load_int(DType::kBool, cell), 1);
}

TEST(DTypeDeathTest, IntegerAccessToAFloatIsOurFault) {
  std::byte cell[8] = {};
  EXPECT_DEATH(load_int(DType::kFloat32, cell), "float32 is not an integer type");
}

}  // namespace
}  // namespace ingot
