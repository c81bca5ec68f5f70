// GGUF Q5_0: 32 elements, float16 scale d, 32 high bits, 16 bytes of low nibbles laid out as in
// Q4_0; bit i of the high bits belongs to element i; x = d * (q - 16).
#pragma once

#include <cstring>

#include "base/dtype.h"
#include "tensor/block_format.h"
#include "tensor/formats/contract/part.h"
#include "tensor/formats/contract/rounding.h"

namespace ingot {

struct Q5_0Block {
  static constexpr int kElements = 32;
  uint16_t d;  // float16
  uint8_t high[4];
  uint8_t low[16];
};
static_assert(sizeof(Q5_0Block) == 22);

INGOT_HD inline void q5_0_part(const Q5_0Block& block, int, float* dst) {
  const float d = part_scale(block.d);
  uint8_t bits[4], q[16];
  part_bytes<2>(block.high, bits);
  part_bytes<2>(block.low, q);
  uint32_t high;
  std::memcpy(&high, bits, 4);
  for (int i = 0; i < 16; ++i) {
    const int first = (q[i] & 15) | (static_cast<int>(high >> i & 1) << 4);
    const int second = (q[i] >> 4) | (static_cast<int>(high >> (i + 16) & 1) << 4);
    dst[i] = d * static_cast<float>(first - 16);
    dst[i + 16] = d * static_cast<float>(second - 16);
  }
}
inline void q5_0_decode(const std::byte* src, int64_t blocks, float* dst) {
  decode_parts<Q5_0Block>(src, blocks, dst, q5_0_part);
}

// The element of largest magnitude becomes q = 0, which decodes to -16 d: d carries its sign.
inline void q5_0_encode(const float* src, int64_t blocks, std::byte* dst) {
  for (int64_t b = 0; b < blocks; ++b, src += 32) {
    const float d = signed_peak(src, 32) / -16.0f;
    const float inverse = reciprocal(d);
    Q5_0Block block;
    block.d = f32_to_f16(d);
    uint32_t high = 0;
    auto quantize = [&](int i) {
      const int q = truncate_clamp(src[i] * inverse + 16.5f, 0, 31);
      high |= static_cast<uint32_t>(q >> 4) << i;
      return q & 15;
    };
    for (int i = 0; i < 16; ++i) {
      block.low[i] = static_cast<uint8_t>(quantize(i) | (quantize(i + 16) << 4));
    }
    std::memcpy(block.high, &high, 4);
    std::memcpy(dst + b * sizeof block, &block, sizeof block);
  }
}

// Error: the peak becomes -16 d; +16 d does not exist, so the other end is clipped by up to a
// step.
inline const BlockFormat& q5_0_format() {
  static const BlockFormat format = {.name = "q5_0",
                                     .block_elements = Q5_0Block::kElements,
                                     .block_bytes = sizeof(Q5_0Block),
                                     .gguf_type = 6,
                                     .decode = q5_0_decode,
                                     .encode = q5_0_encode,
                                     .error_bound = 1.0 / 16};
  return format;
}

}  // namespace ingot
