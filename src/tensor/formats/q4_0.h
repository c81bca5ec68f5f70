// GGUF Q4_0: 32 elements, float16 scale d, 16 bytes of nibbles; element i < 16 is the low nibble of
// byte i, element i + 16 its high nibble; x = d * (q - 8).
#pragma once

#include <cstring>

#include "base/dtype.h"
#include "tensor/block_format.h"
#include "tensor/formats/contract/part.h"
#include "tensor/formats/contract/rounding.h"

namespace ingot {

struct Q4_0Block {
  static constexpr int kElements = 32;
  uint16_t d;  // float16
  uint8_t q[16];
};
static_assert(sizeof(Q4_0Block) == 18);

INGOT_HD inline void q4_0_part(const Q4_0Block& block, int, float* dst) {
  const float d = part_scale(block.d);
  uint8_t q[16];
  part_bytes<2>(block.q, q);
  for (int i = 0; i < 16; ++i) {
    dst[i] = d * static_cast<float>((q[i] & 15) - 8);
    dst[i + 16] = d * static_cast<float>((q[i] >> 4) - 8);
  }
}
inline void q4_0_decode(const std::byte* src, int64_t blocks, float* dst) {
  decode_parts<Q4_0Block>(src, blocks, dst, q4_0_part);
}

// The element of largest magnitude becomes q = 0, which decodes to -8 d: d carries its sign.
inline void q4_0_encode(const float* src, int64_t blocks, std::byte* dst) {
  for (int64_t b = 0; b < blocks; ++b, src += 32) {
    const float d = signed_peak(src, 32) / -8.0f;
    const float inverse = reciprocal(d);
    Q4_0Block block;
    block.d = f32_to_f16(d);
    auto quantize = [&](float x) { return truncate_clamp(x * inverse + 8.5f, 0, 15); };
    for (int i = 0; i < 16; ++i) {
      block.q[i] = static_cast<uint8_t>(quantize(src[i]) | (quantize(src[i + 16]) << 4));
    }
    std::memcpy(dst + b * sizeof block, &block, sizeof block);
  }
}

// Error: the peak becomes -8 d; +8 d does not exist, so the other end is clipped by up to a step.
inline const BlockFormat& q4_0_format() {
  static const BlockFormat format = {.name = "q4_0",
                                     .block_elements = Q4_0Block::kElements,
                                     .block_bytes = sizeof(Q4_0Block),
                                     .gguf_type = 2,
                                     .decode = q4_0_decode,
                                     .encode = q4_0_encode,
                                     .error_bound = 1.0 / 8};
  return format;
}

}  // namespace ingot
