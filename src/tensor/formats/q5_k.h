// GGUF Q5_K: as Q4_K with a fifth bit: 256 elements in 8 groups of 32; float16 d and dmin, 6-bit
// scales and minima in 12 bytes, 32 bytes of high bits, 128 bytes of nibbles;
// x = (d * scale) * q - dmin * minimum. Bit j of high byte i belongs to element i of group j.
#pragma once

#include "base/dtype.h"
#include "tensor/block_format.h"
#include "tensor/formats/contract/part.h"
#include "tensor/formats/contract/rounding.h"

namespace ingot {

struct Q5_KBlock {
  static constexpr int kElements = 256;
  uint16_t d;     // float16
  uint16_t dmin;  // float16
  uint8_t scales[12];
  uint8_t high[32];
  uint8_t low[128];
};
static_assert(sizeof(Q5_KBlock) == 176);

INGOT_HD inline void q5_k_part(const Q5_KBlock& block, int j, float* dst) {
  uint8_t low[32], high[32];
  part_bytes<4>(block.low + j / 2 * 32, low);
  part_bytes<4>(block.high, high);
  const AffinePart part = affine_part_6bit(block, j);
  for (int i = 0; i < 32; ++i) {
    const int q = (low[i] >> (j % 2 * 4) & 15) | (high[i] >> j & 1) << 4;
    dst[i] = part.step * static_cast<float>(q) - part.offset;
  }
}
inline void q5_k_decode(const std::byte* src, int64_t blocks, float* dst) {
  decode_parts<Q5_KBlock>(src, blocks, dst, q5_k_part);
}

inline void q5_k_encode(const float* src, int64_t blocks, std::byte* dst) {
  encode_affine_6bit<Q5_KBlock>(src, blocks, dst, 31, [](Q5_KBlock& block, int j, int i, int q) {
    block.low[j / 2 * 32 + i] |= static_cast<uint8_t>((q & 15) << (j % 2 * 4));
    block.high[i] |= static_cast<uint8_t>((q >> 4) << j);
  });
}

// Error: half a step of the widest group. A step is a part in 31 of max - min, at most twice the
// peak; rounding minimum and scale up adds one unit in 63 to each.
inline const BlockFormat& q5_k_format() {
  static const BlockFormat format = {.name = "q5_k",
                                     .block_elements = Q5_KBlock::kElements,
                                     .block_bytes = sizeof(Q5_KBlock),
                                     .gguf_type = 13,
                                     .decode = q5_k_decode,
                                     .encode = q5_k_encode,
                                     .error_bound = 0.5 * (2 + 1.0 / 63) / 31 * (1 + 1.0 / 63)};
  return format;
}

}  // namespace ingot
