// GGUF Q3_K: 256 elements in 16 groups of 16; 32 bytes of high bits, 64 bytes of low 2-bit parts,
// 16 6-bit scales in 12 bytes, float16 d; x = (d * (scale - 32)) * q with q = low - (high ? 0 : 4).
// Element e has its low part as in Q2_K and its high bit at bit e / 32 of byte e % 32. Scale j has
// its low nibble in byte j % 8 (high half for j >= 8) and its top bits in byte 8 + j % 4 at bit
// j / 4 * 2.
#pragma once

#include <cstring>

#include "base/dtype.h"
#include "tensor/block_format.h"
#include "tensor/formats/contract/part.h"
#include "tensor/formats/contract/rounding.h"

namespace ingot {

struct Q3_KBlock {
  static constexpr int kElements = 256;
  uint8_t high[32];
  uint8_t low[64];
  uint8_t scales[12];
  uint16_t d;  // float16
};
static_assert(sizeof(Q3_KBlock) == 110);

INGOT_HD inline float q3_k_step(const Q3_KBlock& block, int group, float d) {
  const int low = block.scales[group % 8] >> (group / 8 * 4) & 15;
  const int high = block.scales[8 + group % 4] >> (group / 4 * 2) & 3;
  return d * static_cast<float>((low | high << 4) - 32);
}
INGOT_HD inline void q3_k_part(const Q3_KBlock& block, int j, float* dst) {
  const float d = part_scale(block.d);
  uint8_t low[32], high[32];
  part_bytes<2>(block.low + j / 4 * 32, low);
  part_bytes<2>(block.high, high);
  for (int half = 0; half < 2; ++half) {
    const float step = q3_k_step(block, 2 * j + half, d);
    for (int i = half * 16; i < half * 16 + 16; ++i) {
      const int q = (low[i] >> (j % 4 * 2) & 3) - ((high[i] >> j & 1) ? 0 : 4);
      dst[i] = step * static_cast<float>(q);
    }
  }
}
inline void q3_k_decode(const std::byte* src, int64_t blocks, float* dst) {
  decode_parts<Q3_KBlock>(src, blocks, dst, q3_k_part);
}

inline void q3_k_encode(const float* src, int64_t blocks, std::byte* dst) {
  for (int64_t b = 0; b < blocks; ++b, src += 256) {
    const auto scales = pick_symmetric_scales<16>(src, 31, 3);
    Q3_KBlock block = {};
    block.d = scales.d;
    for (int j = 0; j < 16; ++j) {
      const int scale = scales.scale[j] + 32;
      block.scales[j % 8] |= static_cast<uint8_t>((scale & 15) << (j / 8 * 4));
      block.scales[8 + j % 4] |= static_cast<uint8_t>((scale >> 4) << (j / 4 * 2));
    }
    for (int e = 0; e < 256; ++e) {
      const int q = round_clamp(src[e] * reciprocal(scales.step(e / 16)), -3, 3) + 4;
      block.low[e / 128 * 32 + e % 32] |= static_cast<uint8_t>((q & 3) << (e / 32 % 4 * 2));
      block.high[e % 32] |= static_cast<uint8_t>((q >> 2) << (e / 32));
    }
    std::memcpy(dst + b * sizeof block, &block, sizeof block);
  }
}

// Error: half a step of the widest group; a step is a third of its peak.
inline const BlockFormat& q3_k_format() {
  static const BlockFormat format = {.name = "q3_k",
                                     .block_elements = Q3_KBlock::kElements,
                                     .block_bytes = sizeof(Q3_KBlock),
                                     .gguf_type = 11,
                                     .decode = q3_k_decode,
                                     .encode = q3_k_encode,
                                     .error_bound = 0.5 / 3};
  return format;
}

}  // namespace ingot
