// GGUF Q6_K: 256 elements in 16 groups of 16; 128 bytes of low nibbles, 64 bytes of high 2-bit
// parts, 16 signed byte scales, float16 d; x = (d * scale) * (q - 32). Element e has the low (e /
// 64 even) or high nibble of byte e / 128 * 64 + e % 64, and bits 2 * (e / 32 % 4) and up of high
// byte e / 128 * 32 + e % 32.
#pragma once

#include <cstring>

#include "base/dtype.h"
#include "tensor/block_format.h"
#include "tensor/formats/contract/part.h"
#include "tensor/formats/contract/rounding.h"

namespace ingot {

struct Q6_KBlock {
  static constexpr int kElements = 256;
  uint8_t low[128];
  uint8_t high[64];
  int8_t scales[16];
  uint16_t d;  // float16
};
static_assert(sizeof(Q6_KBlock) == 210);

INGOT_HD inline void q6_k_part(const Q6_KBlock& block, int j, float* dst) {
  const float d = part_scale(block.d);
  uint8_t low[32], high[32];
  part_bytes<2>(block.low + j / 4 * 64 + j % 2 * 32, low);
  part_bytes<2>(block.high + j / 4 * 32, high);
  for (int half = 0; half < 2; ++half) {
    const float step = d * static_cast<float>(block.scales[2 * j + half]);
    for (int i = half * 16; i < half * 16 + 16; ++i) {
      const int q = (low[i] >> (j / 2 % 2 * 4) & 15) | (high[i] >> (j % 4 * 2) & 3) << 4;
      dst[i] = step * static_cast<float>(q - 32);
    }
  }
}
inline void q6_k_decode(const std::byte* src, int64_t blocks, float* dst) {
  decode_parts<Q6_KBlock>(src, blocks, dst, q6_k_part);
}

inline void q6_k_encode(const float* src, int64_t blocks, std::byte* dst) {
  for (int64_t b = 0; b < blocks; ++b, src += 256) {
    const auto scales = pick_symmetric_scales<16>(src, 127, 31);
    Q6_KBlock block = {};
    block.d = scales.d;
    for (int j = 0; j < 16; ++j) block.scales[j] = static_cast<int8_t>(scales.scale[j]);
    for (int e = 0; e < 256; ++e) {
      const int q = round_clamp(src[e] * reciprocal(scales.step(e / 16)), -31, 31) + 32;
      block.low[e / 128 * 64 + e % 64] |= static_cast<uint8_t>((q & 15) << (e / 64 % 2 * 4));
      block.high[e / 128 * 32 + e % 32] |= static_cast<uint8_t>((q >> 4) << (e / 32 % 4 * 2));
    }
    std::memcpy(dst + b * sizeof block, &block, sizeof block);
  }
}

// Error: half a step of the widest group; a step is a part in 31 of its peak.
inline const BlockFormat& q6_k_format() {
  static const BlockFormat format = {.name = "q6_k",
                                     .block_elements = Q6_KBlock::kElements,
                                     .block_bytes = sizeof(Q6_KBlock),
                                     .gguf_type = 14,
                                     .decode = q6_k_decode,
                                     .encode = q6_k_encode,
                                     .error_bound = 0.5 / 31};
  return format;
}

}  // namespace ingot
