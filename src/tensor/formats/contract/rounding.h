// Shared by the encoders of block formats: rounding that is defined for every float, and scale
// selection for formats with 256-element super-blocks.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/dtype.h"

namespace ingot {

// Nearest integer (ties away from zero) within [low, high]; NaN gives low.
inline int round_clamp(float x, int low, int high) {
  if (!(x > static_cast<float>(low))) return low;
  if (x >= static_cast<float>(high)) return high;
  return static_cast<int>(std::lround(x));
}
// Same but cutting towards zero, for the formats whose reference adds a half first.
inline int truncate_clamp(float x, int low, int high) {
  if (!(x > static_cast<float>(low))) return low;
  if (x >= static_cast<float>(high)) return high;
  return static_cast<int>(x);
}
inline float reciprocal(float x) { return x == 0 ? 0.0f : 1.0f / x; }

// Of the values of largest magnitude the first, with its sign.
inline float signed_peak(const float* src, int count) {
  float peak = 0;
  for (int i = 0; i < count; ++i) {
    if (std::fabs(src[i]) > std::fabs(peak)) peak = src[i];
  }
  return peak;
}

// Smallest float16 that is not below x >= 0; the largest finite one where there is none, 0 for NaN.
inline uint16_t f16_at_least(float x) {
  constexpr uint16_t kLargest = 0x7bff;
  if (!(x > 0)) return 0;
  uint16_t bits = f32_to_f16(x);
  if (bits < kLargest && f16_to_f32(bits) < x) ++bits;
  return std::min(bits, kLargest);
}

// Super-block x = d * scale[j] * q - dmin * minimum[j] with q in [0, q_max] and small unsigned
// scales and minima, one pair for each of Groups groups. Scales are rounded up, so that a group's
// whole range is covered and the error is at most half a step, d * scale[j] / 2.
template <int Groups>
struct AffineScales {
  uint16_t d = 0, dmin = 0;  // float16
  std::array<uint8_t, Groups> scale{}, minimum{};

  float step(int group) const { return f16_to_f32(d) * static_cast<float>(scale[group]); }
  float offset(int group) const { return f16_to_f32(dmin) * static_cast<float>(minimum[group]); }
};

template <int Groups>
AffineScales<Groups> pick_affine_scales(const float* src, int scale_max, int q_max) {
  constexpr int kGroup = 256 / Groups;
  AffineScales<Groups> out;
  std::array<float, Groups> low, high;
  for (int j = 0; j < Groups; ++j) {
    const auto [min, max] = std::minmax_element(src + j * kGroup, src + (j + 1) * kGroup);
    low[j] = std::min(*min, 0.0f);
    high[j] = *max;
  }
  const auto limit = static_cast<float>(scale_max);
  auto level = [&](float value, float unit) {
    return static_cast<uint8_t>(round_clamp(std::ceil(value * reciprocal(unit)), 0, scale_max));
  };
  out.dmin = f16_at_least(-*std::min_element(low.begin(), low.end()) / limit);
  std::array<float, Groups> step;
  for (int j = 0; j < Groups; ++j) {
    out.minimum[j] = level(-low[j], f16_to_f32(out.dmin));
    step[j] = (high[j] + out.offset(j)) / static_cast<float>(q_max);
  }
  out.d = f16_at_least(*std::max_element(step.begin(), step.end()) / limit);
  for (int j = 0; j < Groups; ++j) out.scale[j] = level(step[j], f16_to_f32(out.d));
  return out;
}

// Super-block x = d * scale[j] * q with q in [-q_max, q_max] and scales in [0, scale_max], rounded
// up as above.
template <int Groups>
struct SymmetricScales {
  uint16_t d = 0;  // float16
  std::array<uint8_t, Groups> scale{};

  float step(int group) const { return f16_to_f32(d) * static_cast<float>(scale[group]); }
};

template <int Groups>
SymmetricScales<Groups> pick_symmetric_scales(const float* src, int scale_max, int q_max) {
  constexpr int kGroup = 256 / Groups;
  SymmetricScales<Groups> out;
  std::array<float, Groups> step;
  for (int j = 0; j < Groups; ++j) {
    step[j] = std::fabs(signed_peak(src + j * kGroup, kGroup)) / static_cast<float>(q_max);
  }
  const float largest = *std::max_element(step.begin(), step.end());
  out.d = f16_at_least(largest / static_cast<float>(scale_max));
  const float inverse = reciprocal(f16_to_f32(out.d));
  for (int j = 0; j < Groups; ++j) {
    out.scale[j] = static_cast<uint8_t>(round_clamp(std::ceil(step[j] * inverse), 0, scale_max));
  }
  return out;
}

// Eight 6-bit scales and minima in 12 bytes (Q4_K, Q5_K): bytes 0-3 hold scales 0-3 and, in their
// top two bits, those of scales 4-7; bytes 4-7 the same for minima; bytes 8-11 the low nibbles of
// scales 4-7 (low half) and minima 4-7 (high half). part.h takes them apart.
inline void pack_scales_6bit(const uint8_t* scale, const uint8_t* minimum, uint8_t* packed) {
  for (int j = 0; j < 4; ++j) {
    packed[j] = static_cast<uint8_t>(scale[j] | ((scale[4 + j] >> 4) << 6));
    packed[4 + j] = static_cast<uint8_t>(minimum[j] | ((minimum[4 + j] >> 4) << 6));
    packed[8 + j] = static_cast<uint8_t>((scale[4 + j] & 15) | ((minimum[4 + j] & 15) << 4));
  }
}

// Encodes super-blocks of eight groups with those pairs: put(block, j, i, q) stores element i of
// group j, 0 <= q <= q_max.
template <class Block, class Put>
void encode_affine_6bit(const float* src, int64_t blocks, std::byte* dst, int q_max, Put put) {
  for (int64_t b = 0; b < blocks; ++b) {
    const auto scales = pick_affine_scales<8>(src, 63, q_max);
    Block block = {};
    block.d = scales.d;
    block.dmin = scales.dmin;
    pack_scales_6bit(scales.scale.data(), scales.minimum.data(), block.scales);
    for (int j = 0; j < 8; ++j, src += 32) {
      const float inverse = reciprocal(scales.step(j));
      for (int i = 0; i < 32; ++i) {
        put(block, j, i, round_clamp((src[i] + scales.offset(j)) * inverse, 0, q_max));
      }
    }
    std::memcpy(dst + b * static_cast<int64_t>(sizeof block), &block, sizeof block);
  }
}

}  // namespace ingot
