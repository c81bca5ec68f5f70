// Scalar element types and their numerics.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ingot {

enum class DType : uint8_t {
  kFloat32,
  kFloat16,
  kBFloat16,
  kFloat64,
  kInt8,
  kUInt8,
  kInt16,
  kUInt16,
  kInt32,
  kUInt32,
  kInt64,
  kUInt64,
  kBool,
  kBlock,  // not a scalar: the value's BlockFormat says how elements are stored
};

size_t dtype_size(DType dtype);            // bytes of one element; 0 for kBlock
std::string_view dtype_name(DType dtype);  // "float32", "bfloat16", "int64", "bool", ...
// Accepts our names and the short ones (f32, bf16, fp16, half, ...); nullopt for anything else.
std::optional<DType> parse_dtype(std::string_view name);
bool is_float(DType dtype);
bool is_integer(DType dtype);  // bool is not an integer

// IEEE bfloat16 <-> float32, round to nearest even; NaN stays NaN.
inline float bf16_to_f32(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}
inline uint16_t f32_to_bf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
// IEEE binary16 <-> float32, round to nearest even, subnormals and infinities exact.
float f16_to_f32(uint16_t bits);
uint16_t f32_to_f16(float value);

// One element of any scalar dtype to and from the widest types we compute in. Storing rounds once,
// to nearest even, for floats; for integers it truncates to int64, saturating (NaN is 0), and keeps
// the low bits (saturating to a narrower range is the op's business). load_int() gives uint64's
// bits.
double load_scalar(DType dtype, const std::byte* src);
void store_scalar(DType dtype, std::byte* dst, double value);
int64_t load_int(DType dtype, const std::byte* src);
void store_int(DType dtype, std::byte* dst, int64_t value);

}  // namespace ingot
