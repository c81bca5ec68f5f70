// GGUF Q4_K: 256 elements in 8 groups of 32; float16 d and dmin, 6-bit scales and minima in 12
// bytes, 128 bytes of nibbles; x = (d * scale) * q - dmin * minimum. Group j has the low (even j)
// or high (odd j) nibbles of bytes j / 2 * 32 and up.
#pragma once

#include <cstring>

#include "base/dtype.h"
#include "tensor/block_format.h"
#include "tensor/formats/contract/part.h"
#include "tensor/formats/contract/rounding.h"

namespace ingot {

struct Q4_KBlock {
  uint16_t d;     // float16
  uint16_t dmin;  // float16
  uint8_t scales[12];
  uint8_t q[128];
};
static_assert(sizeof(Q4_KBlock) == 144);

INGOT_HD inline void q4_k_part(const Q4_KBlock& block, int j, float* dst) {
  uint8_t scale, minimum, q[32];
  unpack_scale_6bit(block.scales, j, &scale, &minimum);
  part_bytes<4>(block.q + j / 2 * 32, q);
  const float step = part_scale(block.d) * static_cast<float>(scale);
  const float offset = part_scale(block.dmin) * static_cast<float>(minimum);
  for (int i = 0; i < 32; ++i) {
    dst[i] = step * static_cast<float>(q[i] >> (j % 2 * 4) & 15) - offset;
  }
}
inline void q4_k_decode(const std::byte* src, int64_t blocks, float* dst) {
  decode_parts<Q4_KBlock, 8>(src, blocks, dst, q4_k_part);
}

inline void q4_k_encode(const float* src, int64_t blocks, std::byte* dst) {
  for (int64_t b = 0; b < blocks; ++b) {
    const auto scales = pick_affine_scales<8>(src, 63, 15);
    Q4_KBlock block = {};
    block.d = scales.d;
    block.dmin = scales.dmin;
    pack_scales_6bit(scales.scale.data(), scales.minimum.data(), block.scales);
    for (int j = 0; j < 8; ++j, src += 32) {
      const float inverse = reciprocal(scales.step(j));
      for (int i = 0; i < 32; ++i) {
        const int q = round_clamp((src[i] + scales.offset(j)) * inverse, 0, 15);
        block.q[j / 2 * 32 + i] |= static_cast<uint8_t>(q << (j % 2 * 4));
      }
    }
    std::memcpy(dst + b * sizeof block, &block, sizeof block);
  }
}

inline const BlockFormat& q4_k_format() {
  static const BlockFormat format = {"q4_k", 256, 144, 12, q4_k_decode, q4_k_encode};
  return format;
}

}  // namespace ingot
