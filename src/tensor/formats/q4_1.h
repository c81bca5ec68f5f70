// GGUF Q4_1: 32 elements, float16 scale d and minimum m, 16 bytes of nibbles; element i < 16 is the
// low nibble of byte i, element i + 16 its high nibble; x = d * q + m.
#pragma once

#include <algorithm>
#include <cstring>

#include "base/dtype.h"
#include "tensor/block_format.h"
#include "tensor/formats/contract/part.h"
#include "tensor/formats/contract/rounding.h"

namespace ingot {

struct Q4_1Block {
  static constexpr int kElements = 32;
  uint16_t d;  // float16
  uint16_t m;  // float16
  uint8_t q[16];
};
static_assert(sizeof(Q4_1Block) == 20);

INGOT_HD inline void q4_1_part(const Q4_1Block& block, int, float* dst) {
  const float d = part_scale(block.d);
  const float m = part_scale(block.m);
  uint8_t q[16];
  part_bytes<4>(block.q, q);
  for (int i = 0; i < 16; ++i) {
    dst[i] = d * static_cast<float>(q[i] & 15) + m;
    dst[i + 16] = d * static_cast<float>(q[i] >> 4) + m;
  }
}
inline void q4_1_decode(const std::byte* src, int64_t blocks, float* dst) {
  decode_parts<Q4_1Block>(src, blocks, dst, q4_1_part);
}

inline void q4_1_encode(const float* src, int64_t blocks, std::byte* dst) {
  for (int64_t b = 0; b < blocks; ++b, src += 32) {
    const auto [min, max] = std::minmax_element(src, src + 32);
    const float d = (*max - *min) / 15.0f;
    const float inverse = reciprocal(d);
    Q4_1Block block;
    block.d = f32_to_f16(d);
    block.m = f32_to_f16(*min);
    auto quantize = [&, low = *min](float x) {
      return truncate_clamp((x - low) * inverse + 0.5f, 0, 15);
    };
    for (int i = 0; i < 16; ++i) {
      block.q[i] = static_cast<uint8_t>(quantize(src[i]) | (quantize(src[i + 16]) << 4));
    }
    std::memcpy(dst + b * sizeof block, &block, sizeof block);
  }
}

// Error: half a step; a step is a part in 15 of max - min, at most twice the peak.
inline const BlockFormat& q4_1_format() {
  static const BlockFormat format = {.name = "q4_1",
                                     .block_elements = Q4_1Block::kElements,
                                     .block_bytes = sizeof(Q4_1Block),
                                     .gguf_type = 3,
                                     .decode = q4_1_decode,
                                     .encode = q4_1_encode,
                                     .error_bound = 0.5 * 2 / 15};
  return format;
}

}  // namespace ingot
