// Device decoders of weight rows, 32 elements (a part) at a time. Every decoder has
//   part(row, p, k, v): elements 32 p .. 32 p + 31 of a row of k elements, zeros past its end.
#pragma once

#include "kernels/cuda/arch/numeric.cuh"
#include "tensor/formats/q2_k.h"
#include "tensor/formats/q3_k.h"
#include "tensor/formats/q4_0.h"
#include "tensor/formats/q4_1.h"
#include "tensor/formats/q4_k.h"
#include "tensor/formats/q5_0.h"
#include "tensor/formats/q5_1.h"
#include "tensor/formats/q5_k.h"
#include "tensor/formats/q6_k.h"
#include "tensor/formats/q8_0.h"

namespace ingot::cuda {

template <class Block, int kParts, void (*kDecode)(const Block&, int, float*)>
struct BlockDecoder {
  static __device__ void part(const std::byte* row, int64_t p, int64_t, float (&v)[32]) {
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

// Calls f with the decoder of a block format; false if there is none.
template <class F>
bool with_block_decoder(const BlockFormat& format, F&& f) {
  const std::string_view name = format.name;
  if (name == "q8_0") return f(BlockDecoder<Q8_0Block, 1, q8_0_part>{}), true;
  if (name == "q4_0") return f(BlockDecoder<Q4_0Block, 1, q4_0_part>{}), true;
  if (name == "q4_1") return f(BlockDecoder<Q4_1Block, 1, q4_1_part>{}), true;
  if (name == "q5_0") return f(BlockDecoder<Q5_0Block, 1, q5_0_part>{}), true;
  if (name == "q5_1") return f(BlockDecoder<Q5_1Block, 1, q5_1_part>{}), true;
  if (name == "q2_k") return f(BlockDecoder<Q2_KBlock, 8, q2_k_part>{}), true;
  if (name == "q3_k") return f(BlockDecoder<Q3_KBlock, 8, q3_k_part>{}), true;
  if (name == "q4_k") return f(BlockDecoder<Q4_KBlock, 8, q4_k_part>{}), true;
  if (name == "q5_k") return f(BlockDecoder<Q5_KBlock, 8, q5_k_part>{}), true;
  if (name == "q6_k") return f(BlockDecoder<Q6_KBlock, 8, q6_k_part>{}), true;
  return false;
}
// The same for any weight type.
template <class F>
bool with_decoder(const ElementType& type, F&& f) {
  if (type.is_block()) return with_block_decoder(*type.block, f);
  return with_float(type, [&](auto tag) { f(FloatDecoder<decltype(tag)>{}); });
}
inline bool is_block_decodable(const ElementType& type) {
  constexpr std::string_view kNames[] = {"q8_0", "q4_0", "q4_1", "q5_0", "q5_1",
                                         "q2_k", "q3_k", "q4_k", "q5_k", "q6_k"};
  if (!type.is_block()) return false;
  for (std::string_view name : kNames) {
    if (type.block->name == name) return true;
  }
  return false;
}
inline bool is_decodable(const ElementType& type) {
  return is_activation(type) || is_block_decodable(type);
}

}  // namespace ingot::cuda
