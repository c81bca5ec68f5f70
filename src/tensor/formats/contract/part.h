// What the decoders of block formats share. A format <stem>.h states how 32 consecutive elements of
// a block (a part) are decoded, once, in <stem>_part(); the host decodes whole blocks with it and
// device code single parts. Its block is a struct <STEM>Block with kElements, a multiple of 32.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/dtype.h"

#ifdef __CUDACC__
#include <cuda_fp16.h>
#define INGOT_HD __host__ __device__
#else
#define INGOT_HD
#endif

namespace ingot {

INGOT_HD inline float part_scale(uint16_t f16_bits) {
#ifdef __CUDA_ARCH__
  return __half2float(__ushort_as_half(f16_bits));
#else
  return f16_to_f32(f16_bits);
#endif
}

// Copies kCount bytes of a block. kAlign (2 or 4) is what the field's offset and the block's size
// guarantee; blocks in device memory lie at multiples of it and are read in words of that size.
template <int kAlign, int kCount>
INGOT_HD inline void part_bytes(const uint8_t* src, uint8_t (&dst)[kCount]) {
  static_assert((kAlign == 2 || kAlign == 4) && kCount % kAlign == 0);
#ifdef __CUDA_ARCH__
#pragma unroll
  for (int i = 0; i < kCount; i += kAlign) {
    const uint32_t word = kAlign == 4 ? *reinterpret_cast<const uint32_t*>(src + i)
                                      : *reinterpret_cast<const uint16_t*>(src + i);
#pragma unroll
    for (int b = 0; b < kAlign; ++b) dst[i + b] = static_cast<uint8_t>(word >> (8 * b));
  }
#else
  std::memcpy(dst, src, kCount);
#endif
}

// Scale and minimum j of the eight 6-bit pairs that pack_scales_6bit (rounding.h) lays out.
INGOT_HD inline void unpack_scale_6bit(const uint8_t* packed, int j, uint8_t* scale,
                                       uint8_t* minimum) {
  if (j < 4) {
    *scale = packed[j] & 63;
    *minimum = packed[4 + j] & 63;
  } else {
    *scale = static_cast<uint8_t>((packed[4 + j] & 15) | ((packed[j - 4] >> 6) << 4));
    *minimum = static_cast<uint8_t>((packed[4 + j] >> 4) | ((packed[j] >> 6) << 4));
  }
}

// The elements of a part are step * q - offset.
struct AffinePart {
  float step, offset;
};
// Of group j in a block with float16 d and dmin and eight 6-bit pairs (Q4_K, Q5_K).
template <class Block>
INGOT_HD inline AffinePart affine_part_6bit(const Block& block, int j) {
  uint8_t scale, minimum;
  unpack_scale_6bit(block.scales, j, &scale, &minimum);
  return {part_scale(block.d) * static_cast<float>(scale),
          part_scale(block.dmin) * static_cast<float>(minimum)};
}

// Host: whole blocks, part by part.
template <class Block, class Part>
void decode_parts(const std::byte* src, int64_t blocks, float* dst, Part part) {
  static_assert(Block::kElements % 32 == 0);
  for (int64_t b = 0; b < blocks; ++b) {
    Block block;
    std::memcpy(&block, src + b * static_cast<int64_t>(sizeof block), sizeof block);
    for (int j = 0; j < Block::kElements / 32; ++j, dst += 32) part(block, j, dst);
  }
}

}  // namespace ingot
