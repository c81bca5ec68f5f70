// GGUF Q4_K: 256 elements in 8 groups of 32; float16 d and dmin, 6-bit scales and minima in 12
// bytes, 128 bytes of nibbles; x = (d * scale) * q - dmin * minimum. Group j has the low (even j)
// or high (odd j) nibbles of bytes j / 2 * 32 and up.
#pragma once

#include "base/dtype.h"
#include "tensor/block_format.h"
#include "tensor/formats/contract/part.h"
#include "tensor/formats/contract/rounding.h"

namespace ingot {

struct Q4_KBlock {
  static constexpr int kElements = 256;
  uint16_t d;     // float16
  uint16_t dmin;  // float16
  uint8_t scales[12];
  uint8_t q[128];
};
static_assert(sizeof(Q4_KBlock) == 144);

INGOT_HD inline void q4_k_part(const Q4_KBlock& block, int j, float* dst) {
  uint8_t q[32];
  part_bytes<4>(block.q + j / 2 * 32, q);
  const AffinePart part = affine_part_6bit(block, j);
  for (int i = 0; i < 32; ++i) {
    dst[i] = part.step * static_cast<float>(q[i] >> (j % 2 * 4) & 15) - part.offset;
  }
}
inline void q4_k_decode(const std::byte* src, int64_t blocks, float* dst) {
  decode_parts<Q4_KBlock>(src, blocks, dst, q4_k_part);
}

inline void q4_k_encode(const float* src, int64_t blocks, std::byte* dst) {
  encode_affine_6bit<Q4_KBlock>(src, blocks, dst, 15, [](Q4_KBlock& block, int j, int i, int q) {
    block.q[j / 2 * 32 + i] |= static_cast<uint8_t>(q << (j % 2 * 4));
  });
}

// Error: half a step of the widest group. A step is a part in 15 of max - min, at most twice the
// peak; rounding minimum and scale up adds one unit in 63 to each.
inline const BlockFormat& q4_k_format() {
  static const BlockFormat format = {.name = "q4_k",
                                     .block_elements = Q4_KBlock::kElements,
                                     .block_bytes = sizeof(Q4_KBlock),
                                     .gguf_type = 12,
                                     .decode = q4_k_decode,
                                     .encode = q4_k_encode,
                                     .error_bound = 0.5 * (2 + 1.0 / 63) / 15 * (1 + 1.0 / 63)};
  return format;
}

}  // namespace ingot
