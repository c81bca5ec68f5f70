// GGUF Q2_K: 256 elements in 16 groups of 16; a byte per group with a 4-bit scale (low half) and a
// 4-bit minimum (high half), 64 bytes of 2-bit q, float16 d and dmin;
// x = (d * scale) * q - dmin * minimum. Element e has bits 2 * (e / 32 % 4) and up of byte
// e / 128 * 32 + e % 32.
#pragma once

#include <cstring>

#include "base/dtype.h"
#include "tensor/block_format.h"
#include "tensor/formats/contract/part.h"
#include "tensor/formats/contract/rounding.h"

namespace ingot {

struct Q2_KBlock {
  static constexpr int kElements = 256;
  uint8_t scales[16];
  uint8_t q[64];
  uint16_t d;     // float16
  uint16_t dmin;  // float16
};
static_assert(sizeof(Q2_KBlock) == 84);

INGOT_HD inline void q2_k_part(const Q2_KBlock& block, int j, float* dst) {
  const float d = part_scale(block.d);
  const float dmin = part_scale(block.dmin);
  uint8_t q[32];
  part_bytes<4>(block.q + j / 4 * 32, q);
  for (int half = 0; half < 2; ++half) {
    const uint8_t scale = block.scales[2 * j + half];
    const float step = d * static_cast<float>(scale & 15);
    const float offset = dmin * static_cast<float>(scale >> 4);
    for (int i = half * 16; i < half * 16 + 16; ++i) {
      dst[i] = step * static_cast<float>(q[i] >> (j % 4 * 2) & 3) - offset;
    }
  }
}
inline void q2_k_decode(const std::byte* src, int64_t blocks, float* dst) {
  decode_parts<Q2_KBlock>(src, blocks, dst, q2_k_part);
}

inline void q2_k_encode(const float* src, int64_t blocks, std::byte* dst) {
  for (int64_t b = 0; b < blocks; ++b, src += 256) {
    const auto scales = pick_affine_scales<16>(src, 15, 3);
    Q2_KBlock block = {};
    block.d = scales.d;
    block.dmin = scales.dmin;
    for (int j = 0; j < 16; ++j) {
      block.scales[j] = static_cast<uint8_t>(scales.scale[j] | (scales.minimum[j] << 4));
    }
    for (int e = 0; e < 256; ++e) {
      const float x = src[e] + scales.offset(e / 16);
      const int q = round_clamp(x * reciprocal(scales.step(e / 16)), 0, 3);
      block.q[e / 128 * 32 + e % 32] |= static_cast<uint8_t>(q << (e / 32 % 4 * 2));
    }
    std::memcpy(dst + b * sizeof block, &block, sizeof block);
  }
}

// Error: half a step of the widest group. A step is a part in 3 of max - min, at most twice the
// peak; rounding minimum and scale up adds one unit in 15 to each.
inline const BlockFormat& q2_k_format() {
  static const BlockFormat format = {.name = "q2_k",
                                     .block_elements = Q2_KBlock::kElements,
                                     .block_bytes = sizeof(Q2_KBlock),
                                     .gguf_type = 10,
                                     .decode = q2_k_decode,
                                     .encode = q2_k_encode,
                                     .error_bound = 0.5 * (2 + 1.0 / 15) / 3 * (1 + 1.0 / 15)};
  return format;
}

}  // namespace ingot
