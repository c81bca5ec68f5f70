// Device decoders of weight rows, 32 elements (a part) at a time. Every decoder has
//   part(row, p, k, v): elements 32 p .. 32 p + 31 of a row of k elements, zeros past its end.
#pragma once

#include "kernels/cuda/arch/numeric.cuh"
#include "tensor_format_shelf.h"

namespace ingot::cuda {

template <class Block, void (*kDecode)(const Block&, int, float*)>
struct BlockDecoder {
  static __device__ void part(const std::byte* row, int64_t p, int64_t, float (&v)[32]) {
    constexpr int kParts = Block::kElements / 32;
    const auto* block = reinterpret_cast<const Block*>(row) + p / kParts;
    kDecode(*block, static_cast<int>(p % kParts), v);
  }
};

template <class T>
struct FloatDecoder {
  static __device__ void part(const std::byte* row, int64_t p, int64_t k, float (&v)[32]) {
    const T* at = reinterpret_cast<const T*>(row) + 32 * p;
    const bool vector = reinterpret_cast<uintptr_t>(at) % 16 == 0;
#pragma unroll
    for (int c = 0; c < 32; c += 8) {
      float chunk[8];
      load8(at + c, k - 32 * p - c, vector, chunk);
#pragma unroll
      for (int i = 0; i < 8; ++i) v[c + i] = chunk[i];
    }
  }
};

// Calls f with the decoder of a block format; false if there is none: all of the shelf have one.
template <class F>
bool with_block_decoder(const BlockFormat& format, F&& f) {
#define INGOT_TRY_FORMAT(stem, Block) \
  if (format.name == #stem) return f(BlockDecoder<Block, stem##_part>{}), true;
  INGOT_TENSOR_FORMATS(INGOT_TRY_FORMAT)
#undef INGOT_TRY_FORMAT
  return false;
}
// The same for any weight type.
template <class F>
bool with_decoder(const ElementType& type, F&& f) {
  if (type.is_block()) return with_block_decoder(*type.block, f);
  return with_float(type, [&](auto tag) { f(FloatDecoder<decltype(tag)>{}); });
}
inline bool is_block_decodable(const ElementType& type) {
  return type.is_block() && with_block_decoder(*type.block, [](auto) {});
}
inline bool is_decodable(const ElementType& type) {
  return is_activation(type) || is_block_decodable(type);
}

}  // namespace ingot::cuda
