// GGUF Q8_0: 32 elements, one float16 scale d, 32 signed bytes q; x = d * q.
#pragma once

#include <cmath>
#include <cstring>

#include "base/dtype.h"
#include "tensor/block_format.h"
#include "tensor/formats/contract/part.h"
#include "tensor/formats/contract/rounding.h"

namespace ingot {

struct Q8_0Block {
  static constexpr int kElements = 32;
  uint16_t d;  // float16
  int8_t q[32];
};
static_assert(sizeof(Q8_0Block) == 34);

INGOT_HD inline void q8_0_part(const Q8_0Block& block, int, float* dst) {
  const float d = part_scale(block.d);
  uint8_t q[32];
  part_bytes<2>(reinterpret_cast<const uint8_t*>(block.q), q);
  for (int i = 0; i < 32; ++i) dst[i] = d * static_cast<float>(static_cast<int8_t>(q[i]));
}
inline void q8_0_decode(const std::byte* src, int64_t blocks, float* dst) {
  decode_parts<Q8_0Block>(src, blocks, dst, q8_0_part);
}

inline void q8_0_encode(const float* src, int64_t blocks, std::byte* dst) {
  for (int64_t b = 0; b < blocks; ++b, src += 32) {
    const float d = std::fabs(signed_peak(src, 32)) / 127.0f;
    const float inverse = reciprocal(d);
    Q8_0Block block;
    block.d = f32_to_f16(d);
    for (int i = 0; i < 32; ++i) {
      block.q[i] = static_cast<int8_t>(round_clamp(src[i] * inverse, -127, 127));
    }
    std::memcpy(dst + b * sizeof block, &block, sizeof block);
  }
}

// Error: half a step; a step is a part in 127 of the peak.
inline const BlockFormat& q8_0_format() {
  static const BlockFormat format = {.name = "q8_0",
                                     .block_elements = Q8_0Block::kElements,
                                     .block_bytes = sizeof(Q8_0Block),
                                     .gguf_type = 8,
                                     .decode = q8_0_decode,
                                     .encode = q8_0_encode,
                                     .error_bound = 0.5 / 127};
  return format;
}

}  // namespace ingot
