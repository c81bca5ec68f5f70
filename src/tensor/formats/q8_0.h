// GGUF Q8_0: 32 elements, one float16 scale d, 32 signed bytes q; x = d * q.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/dtype.h"
#include "tensor/block_format.h"

namespace ingot {

struct Q8_0Block {
  uint16_t d;  // float16
  int8_t q[32];
};
static_assert(sizeof(Q8_0Block) == 34);

inline void q8_0_decode(const std::byte* src, int64_t blocks, float* dst) {
  for (int64_t b = 0; b < blocks; ++b, dst += 32) {
    Q8_0Block block;
    std::memcpy(&block, src + b * sizeof block, sizeof block);
    const float d = f16_to_f32(block.d);
    for (int i = 0; i < 32; ++i) dst[i] = d * static_cast<float>(block.q[i]);
  }
}

inline void q8_0_encode(const float* src, int64_t blocks, std::byte* dst) {
  for (int64_t b = 0; b < blocks; ++b, src += 32) {
    float peak = 0;
    for (int i = 0; i < 32; ++i) peak = std::max(peak, std::fabs(src[i]));
    Q8_0Block block;
    const float d = peak / 127.0f;
    block.d = f32_to_f16(d);
    for (int i = 0; i < 32; ++i) {
      block.q[i] = d > 0 ? static_cast<int8_t>(std::lround(src[i] / d)) : int8_t{0};
    }
    std::memcpy(dst + b * sizeof block, &block, sizeof block);
  }
}

inline const BlockFormat& q8_0_format() {
  static const BlockFormat format = {"q8_0", 32, 34, 8, q8_0_decode, q8_0_encode};
  return format;
}

}  // namespace ingot
