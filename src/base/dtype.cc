#include "base/dtype.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace ingot {
namespace {

struct DTypeInfo {
  std::string_view name;
  size_t size;
};

// Indexed by DType.
constexpr std::array<DTypeInfo, 14> kInfo = {{{"float32", 4},
                                              {"float16", 2},
                                              {"bfloat16", 2},
                                              {"float64", 8},
                                              {"int8", 1},
                                              {"uint8", 1},
                                              {"int16", 2},
                                              {"uint16", 2},
                                              {"int32", 4},
                                              {"uint32", 4},
                                              {"int64", 8},
                                              {"uint64", 8},
                                              {"bool", 1},
                                              {"block", 0}}};

template <typename T>
T load_as(const std::byte* src) {
  T value;
  std::memcpy(&value, src, sizeof(T));
  return value;
}
template <typename T>
void store_as(std::byte* dst, T value) {
  std::memcpy(dst, &value, sizeof(T));
}

// Calls f with a value of the C++ type behind an integer dtype.
template <typename F>
auto with_int_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::kInt8:
      return f(int8_t{});
    case DType::kUInt8:
      return f(uint8_t{});
    case DType::kBool:
      return f(uint8_t{});
    case DType::kInt16:
      return f(int16_t{});
    case DType::kUInt16:
      return f(uint16_t{});
    case DType::kInt32:
      return f(int32_t{});
    case DType::kUInt32:
      return f(uint32_t{});
    case DType::kUInt64:
      return f(uint64_t{});
    case DType::kInt64:
      return f(int64_t{});
    default:
      break;
  }
  CHECK_MSG(false, "{} is not an integer type", dtype_name(dtype));
  return f(int64_t{});
}

}  // namespace

size_t dtype_size(DType dtype) { return kInfo[static_cast<size_t>(dtype)].size; }
std::string_view dtype_name(DType dtype) { return kInfo[static_cast<size_t>(dtype)].name; }

std::optional<DType> parse_dtype(std::string_view name) {
  for (size_t i = 0; i + 1 < kInfo.size(); ++i) {
    if (kInfo[i].name == name) return static_cast<DType>(i);
  }
  constexpr std::pair<std::string_view, DType> kAliases[] = {
      {"f32", DType::kFloat32},  {"fp32", DType::kFloat32}, {"float", DType::kFloat32},
      {"f16", DType::kFloat16},  {"fp16", DType::kFloat16}, {"half", DType::kFloat16},
      {"bf16", DType::kBFloat16}};
  for (auto [alias, dtype] : kAliases) {
    if (alias == name) return dtype;
  }
  return std::nullopt;
}

bool is_float(DType dtype) {
  return dtype == DType::kFloat32 || dtype == DType::kFloat16 || dtype == DType::kBFloat16 ||
         dtype == DType::kFloat64;
}
bool is_integer(DType dtype) {
  return !is_float(dtype) && dtype != DType::kBool && dtype != DType::kBlock;
}

float f16_to_f32(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu;
  const uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {
    // Subnormal: mantissa * 2^-24 is exact in float32.
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t f32_to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7e00u;
  // 65520 is the first value that rounds to infinity.
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;
  if (magnitude < 0x38800000u) {
    // Below 2^-14: adding 0.5 leaves round-to-nearest-even of value * 2^24 in the low mantissa
    // bits.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(shifted) - 0x3f000000u);
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return sign | static_cast<uint16_t>((rounded - 0x38000000u) >> 13);
}

namespace {

// float32 that rounds to the same 16-bit float as `value` does: what float32 cannot hold is cut off
// and left as a lowest bit that is set ("round to odd"), so that the second rounding sees it.
float narrowed(double value) {
  const auto near = static_cast<float>(value);
  if (static_cast<double>(near) == value || !std::isfinite(near)) return near;
  uint32_t bits = std::bit_cast<uint32_t>(near);
  if (std::fabs(static_cast<double>(near)) > std::fabs(value)) --bits;
  return std::bit_cast<float>(bits | 1u);
}

// Integers that are out of range saturate, NaN is 0.
int64_t to_int64(double value) {
  if (std::isnan(value)) return 0;
  if (value >= 0x1p63) return INT64_MAX;
  if (value < -0x1p63) return INT64_MIN;
  return static_cast<int64_t>(value);
}

}  // namespace

double load_scalar(DType dtype, const std::byte* src) {
  switch (dtype) {
    case DType::kFloat32:
      return load_as<float>(src);
    case DType::kFloat64:
      return load_as<double>(src);
    case DType::kFloat16:
      return f16_to_f32(load_as<uint16_t>(src));
    case DType::kBFloat16:
      return bf16_to_f32(load_as<uint16_t>(src));
    case DType::kUInt64:
      return static_cast<double>(load_as<uint64_t>(src));
    default:
      return static_cast<double>(load_int(dtype, src));
  }
}

void store_scalar(DType dtype, std::byte* dst, double value) {
  switch (dtype) {
    case DType::kFloat32:
      return store_as(dst, static_cast<float>(value));
    case DType::kFloat64:
      return store_as(dst, value);
    case DType::kFloat16:
      return store_as(dst, f32_to_f16(narrowed(value)));
    case DType::kBFloat16:
      return store_as(dst, f32_to_bf16(narrowed(value)));
    case DType::kBool:
      return store_as(dst, static_cast<uint8_t>(value != 0));
    default:
      return store_int(dtype, dst, to_int64(value));
  }
}

int64_t load_int(DType dtype, const std::byte* src) {
  return with_int_type(dtype,
                       [&](auto tag) { return static_cast<int64_t>(load_as<decltype(tag)>(src)); });
}

void store_int(DType dtype, std::byte* dst, int64_t value) {
  with_int_type(dtype, [&](auto tag) {
    store_as(dst, static_cast<decltype(tag)>(value));
    return 0;
  });
}

}  // namespace ingot
