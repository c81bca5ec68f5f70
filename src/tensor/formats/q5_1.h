// GGUF Q5_1: 32 elements, float16 scale d and minimum m, 32 high bits, 16 bytes of low nibbles laid
// out as in Q4_1; bit i of the high bits belongs to element i; x = d * q + m.
#pragma once

#include <algorithm>
#include <cstring>

#include "base/dtype.h"
#include "tensor/block_format.h"
#include "tensor/formats/contract/part.h"
#include "tensor/formats/contract/rounding.h"

namespace ingot {

struct Q5_1Block {
  static constexpr int kElements = 32;
  uint16_t d;  // float16
  uint16_t m;  // float16
  uint8_t high[4];
  uint8_t low[16];
};
static_assert(sizeof(Q5_1Block) == 24);

INGOT_HD inline void q5_1_part(const Q5_1Block& block, int, float* dst) {
  const float d = part_scale(block.d);
  const float m = part_scale(block.m);
  uint8_t bits[4], q[16];
  part_bytes<4>(block.high, bits);
  part_bytes<4>(block.low, q);
  uint32_t high;
  std::memcpy(&high, bits, 4);
  for (int i = 0; i < 16; ++i) {
    const int first = (q[i] & 15) | (static_cast<int>(high >> i & 1) << 4);
    const int second = (q[i] >> 4) | (static_cast<int>(high >> (i + 16) & 1) << 4);
    dst[i] = d * static_cast<float>(first) + m;
    dst[i + 16] = d * static_cast<float>(second) + m;
  }
}
inline void q5_1_decode(const std::byte* src, int64_t blocks, float* dst) {
  decode_parts<Q5_1Block>(src, blocks, dst, q5_1_part);
}

inline void q5_1_encode(const float* src, int64_t blocks, std::byte* dst) {
  for (int64_t b = 0; b < blocks; ++b, src += 32) {
    const auto [min, max] = std::minmax_element(src, src + 32);
    const float d = (*max - *min) / 31.0f;
    const float inverse = reciprocal(d);
    Q5_1Block block;
    block.d = f32_to_f16(d);
    block.m = f32_to_f16(*min);
    uint32_t high = 0;
    auto quantize = [&, low = *min](int i) {
      const int q = truncate_clamp((src[i] - low) * inverse + 0.5f, 0, 31);
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

// Error: half a step; a step is a part in 31 of max - min, at most twice the peak.
inline const BlockFormat& q5_1_format() {
  static const BlockFormat format = {.name = "q5_1",
                                     .block_elements = Q5_1Block::kElements,
                                     .block_bytes = sizeof(Q5_1Block),
                                     .gguf_type = 7,
                                     .decode = q5_1_decode,
                                     .encode = q5_1_encode,
                                     .error_bound = 0.5 * 2 / 31};
  return format;
}

}  // namespace ingot
